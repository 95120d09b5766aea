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
        if reference := optional(variable, "valueFrom", "fieldRef"):
            put(reference, "apiVersion", "v1")
        if reference := optional(variable, "valueFrom", "resourceFieldRef"):
            put(reference, "divisor", "0")
    for name in _PROBES:
        if probe := optional(container, name):
            put_all(probe, _PROBE)
            _action(probe)
    for hook in ("postStart", "preStop"):
        if action := optional(container, "lifecycle", hook):
            _action(action)


def _action(handler: Object) -> None:
    if http := optional(handler, "httpGet"):
        put_all(http, {"path": "/", "scheme": "HTTP"})
    if grpc := optional(handler, "grpc"):
        grpc.setdefault("service", "")


def _volume(volume: Object) -> None:
    if volume.keys() <= {"name"}:
        volume["emptyDir"] = {}
    for name in ("secret", "configMap", "downwardAPI", "projected"):
        if source := optional(volume, name):
            put(source, "defaultMode", _FILE_MODE)
    if (host_path := optional(volume, "hostPath")) is not None:
        host_path.setdefault("type", "")
    _downward_items(optional(volume, "downwardAPI"))
    for source in each(optional(volume, "projected"), "sources"):
        _downward_items(optional(source, "downwardAPI"))
        if token := optional(source, "serviceAccountToken"):
            put(token, "expirationSeconds", 3600)
    if claim := optional(volume, "ephemeral", "volumeClaimTemplate", "spec"):
        put(claim, "volumeMode", "Filesystem")
    if iscsi := optional(volume, "iscsi"):
        put(iscsi, "iscsiInterface", "default")


def _downward_items(source: Object | None) -> None:
    for item in each(source, "items"):
        if reference := optional(item, "fieldRef"):
            put(reference, "apiVersion", "v1")
        if reference := optional(item, "resourceFieldRef"):
            put(reference, "divisor", "0")
