"""Defaults of pods and pod templates (upstream pkg/apis/core/v1/defaults.go)."""

from tricenter.apimachinery.defaults.fields import Object, each, optional, put, put_all, section

_FILE_MODE = 0o644
_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def pod(obj: Object) -> None:
    """A Pod: its spec, and what only pods and not templates get."""
    spec = section(obj, "spec")
    put(spec, "enableServiceLinks", True)
    for name in ("initContainers", "containers"):
        for container in each(spec, name):
            resources = section(container, "resources")
            for resource, limit in (resources.get("limits") or {}).items():
                section(resources, "requests").setdefault(resource, limit)
            if spec.get("hostNetwork"):
                for port in each(container, "ports"):
                    put(port, "hostPort", port.get("containerPort"))
    pod_spec(spec)
    put(section(obj, "status"), "phase", "Pending")


def template(obj: Object | None) -> None:
    """A pod template."""
    if obj is not None:
        pod_spec(section(obj, "spec"))


def pod_spec(spec: Object) -> None:
    """The spec that pods and templates share."""
    put_all(spec, {
        "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler",
    })  # fmt: skip
    section(spec, "securityContext")
    if spec.get("serviceAccountName") and not spec.get("serviceAccount"):
        spec["serviceAccount"] = spec["serviceAccountName"]  # the deprecated alias follows
    elif spec.get("serviceAccount") and not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for name in _CONTAINER_LISTS:
        for container in each(spec, name):
            _container(container)
    for volume in each(spec, "volumes"):
        _volume(volume)


def image_pull_policy(image: str) -> str:
    """Always for the tag `latest`, given or implied; IfNotPresent for others and for digests."""
    if "@" in image:
        return "IfNotPresent"
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return "Always" if not colon or tag == "latest" else "IfNotPresent"


def _container(container: Object) -> None:
    put(container, "imagePullPolicy", image_pull_policy(str(container.get("image", ""))))
    put_all(container, {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"})
    section(container, "resources")
    for port in each(container, "ports"):
        put(port, "protocol", "TCP")
    for variable in each(container, "env"):
        if source := optional(variable, "valueFrom"):
            _references(source)
    for name in _PROBES:
        if probe := optional(container, name):
            put_all(probe, _PROBE)
            _action(probe)
    if hooks := optional(container, "lifecycle"):
        for hook in ("postStart", "preStop"):
            if action := optional(hooks, hook):
                _action(action)


def _action(handler: Object) -> None:
    if http := optional(handler, "httpGet"):
        put_all(http, {"path": "/", "scheme": "HTTP"})
    if grpc := optional(handler, "grpc"):
        grpc.setdefault("service", "")


def _volume(volume: Object) -> None:
    if volume.keys() <= {"name"}:
        volume["emptyDir"] = {}
    for kind, source in volume.items():
        if (rule := _SOURCES.get(kind)) and isinstance(source, dict):
            rule(source)


def _host_path(source: Object) -> None:
    source.setdefault("type", "")


def _files(source: Object) -> None:
    if source:
        put(source, "defaultMode", _FILE_MODE)


def _downward(source: Object) -> None:
    _files(source)
    _downward_items(source)


def _projected(source: Object) -> None:
    _files(source)
    for item in each(source, "sources"):
        _downward_items(optional(item, "downwardAPI"))
        if token := optional(item, "serviceAccountToken"):
            put(token, "expirationSeconds", 3600)


def _ephemeral(source: Object) -> None:
    if claim := optional(source, "volumeClaimTemplate", "spec"):
        put(claim, "volumeMode", "Filesystem")


def _iscsi(source: Object) -> None:
    if source:
        put(source, "iscsiInterface", "default")


_SOURCES = {
    "configMap": _files, "downwardAPI": _downward, "ephemeral": _ephemeral, "hostPath": _host_path, "iscsi": _iscsi,
    "projected": _projected, "secret": _files,
}  # fmt: skip


def _downward_items(source: Object | None) -> None:
    for item in each(source, "items"):
        _references(item)


def _references(source: Object) -> None:
    """To fields of the pod and to resources of a container."""
    if reference := optional(source, "fieldRef"):
        put(reference, "apiVersion", "v1")
    if reference := optional(source, "resourceFieldRef"):
        put(reference, "divisor", "0")
