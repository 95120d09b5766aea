"""Pods as upstream's validation tests have them (pkg/apis/core/validation/validation_test.go): refused and accepted."""

from typing import Any

import pytest
from test_apimachinery_validation import create, one, pod, update

Object = dict[str, Any]
LOCAL = {"type": "Localhost"}
CPU = {"resource": "limits.cpu"}
VOLUMES = [{"name": "v", "emptyDir": {}}]
EXEC = {"exec": {"command": ["a"]}}
TERM = {"topologyKey": "z", "labelSelector": {"matchLabels": {"a": "b"}}}
FIELDS = "requiredDuringSchedulingIgnoredDuringExecution"


def context(**fields: Any) -> Object:
    return pod(securityContext=fields)


def mount(**fields: Any) -> Object:
    return {"spec": {**one(volumeMounts=[{"name": "v", "mountPath": "/x", **fields}])["spec"], "volumes": VOLUMES}}


def volume(**source: Any) -> Object:
    return pod(volumes=[{"name": "v", **source}])


def env(**variable: Any) -> Object:
    return one(env=[{"name": "A", **variable}])


def spread(**fields: Any) -> Object:
    return pod(topologySpreadConstraints=[{
        "maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}, **fields
    }])  # fmt: skip


def claims(*names: str, held: tuple[Object, ...] = ()) -> Object:
    spec = one(resources={"claims": [*held]})["spec"]
    return {"spec": {**spec, "resourceClaims": [{"name": name, "resourceClaimName": "c"} for name in names]}}


def windows(**fields: Any) -> Object:
    return context(windowsOptions=fields)


def near(**term: Any) -> Object:
    return pod(affinity={"podAffinity": {FIELDS: [{**TERM, **term}]}})


C = "spec.containers[0]."
REFUSED: list[tuple[Object, str]] = [
    (pod(dnsConfig={"searches": ["a.b"] * 33}), "spec.dnsConfig.searches: Invalid value: "),
    (pod(dnsConfig={"searches": ["-x"]}), 'spec.dnsConfig.searches[0]: Invalid value: "-x": a lowercase RFC 1123'),
    (pod(dnsConfig={"options": [{"value": "x"}]}), "spec.dnsConfig.options[0]: Required value: must not be empty"),
    (pod(os={"name": "beos"}), 'spec.os: Unsupported value: "beos": supported values: "linux", "windows"'),
    (pod(os={"name": "windows"}, hostPID=True), "spec.hostPID: Forbidden: cannot be set for a windows pod"),
    (pod(hostUsers=False, hostNetwork=True),
     "spec.hostNetwork: Forbidden: when `pod.Spec.HostUsers` is false"),
    (context(seccompProfile=LOCAL), "spec.securityContext.seccompProfile.localhostProfile: Required value: must"),
    (context(seccompProfile={"type": "Foo"}), "spec.securityContext.seccompProfile.type: Unsupported value"),
    (context(seccompProfile={"type": "RuntimeDefault", "localhostProfile": "x"}), (
        'spec.securityContext.seccompProfile.localhostProfile: Invalid value: "x": can only be set when seccomp type')),
    (context(seccompProfile={**LOCAL, "localhostProfile": "../x"}), (
        "spec.securityContext.seccompProfile.localhostProfile: Invalid value: \"../x\": must not contain '..'")),
    (context(appArmorProfile=LOCAL), "spec.securityContext.appArmorProfile.localhostProfile: Required value"),
    (context(sysctls=[{"name": "a b", "value": "1"}]), 'spec.securityContext.sysctls[0].name: Invalid value: "a b"'),
    (context(runAsGroup=-5), "spec.securityContext.runAsGroup: Invalid value: -5: must be between 0 and 2147483647"),
    (context(supplementalGroups=[-1]), "spec.securityContext.supplementalGroups[0]: Invalid value: -1"),
    (one(securityContext={"allowPrivilegeEscalation": False, "capabilities": {"add": ["CAP_SYS_ADMIN"]}}),
     f"{C}securityContext: Invalid value: "),
    (one(securityContext={"procMount": "Unmasked"}), f"{C}securityContext.procMount: Invalid value: "),
    (env(valueFrom={"fieldRef": {"fieldPath": "metadata.no"}}), (
        f'{C}env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.no": error converting fieldPath: field '
        "label not supported: metadata.no")),
    (env(valueFrom={"resourceFieldRef": {"resource": "limits.no"}}),
     f'{C}env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.no": supported values: "limits.cpu"'),
    (env(valueFrom={"resourceFieldRef": {**CPU, "divisor": "7"}}), (
        f'{C}env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor\'s values 1m and 1')),
    (env(name="a=b"), f'{C}env[0].name: Invalid value: "a=b": a valid environment variable name must consist only'),
    (one(envFrom=[{"prefix": "1=a", "configMapRef": {"name": "a"}}]), f'{C}envFrom[0].prefix: Invalid value: "1=a"'),
    (mount(mountPropagation="Bidirectional"), f"{C}volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount"),
    (mount(recursiveReadOnly="Enabled"), f"{C}volumeMounts[0].recursiveReadOnly: Forbidden: may only be"),
    (one(volumeDevices=[{"name": "v", "devicePath": "/x"}]), f'{C}volumeDevices[0].name: Not found: "v"'),
    (one(lifecycle={"preStop": {}}), f"{C}lifecycle.preStop: Required value: must specify a handler type"),
    (one(lifecycle={"preStop": {"sleep": {"seconds": 31}}}), (
        f"{C}lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than "
        "terminationGracePeriodSeconds (30)")),
    (one(resources={"limits": {"foo": "1"}}), (
        f'{C}resources.limits[foo]: Invalid value: "foo": must be a standard resource type or fully qualified')),
    (one(resources={"limits": {"pods": "1"}}), (
        f'{C}resources.limits[pods]: Invalid value: "pods": must be a standard resource for containers')),
    (one(resources={"requests": {"a.b/gpu": "1"}}), (
        f"{C}resources.limits: Required value: Limit must be set for non overcommitable resources")),
    (one(resources={"limits": {"a.b/gpu": "2"}, "requests": {"a.b/gpu": "1"}}), (
        f'{C}resources.requests: Invalid value: "1": must be equal to a.b/gpu limit of 2')),
    (one(resources={"limits": {"a.b/gpu": "500m"}}), f"{C}resources.limits[a.b/gpu]: Invalid value: "),
    (one(resources={"limits": {"hugepages-2Mi": "4Mi"}}), f"{C}resources: Forbidden: HugePages require cpu or memory"),
    (one(resizePolicy=[{"resourceName": "cpu", "restartPolicy": "Foo"}]), f"{C}resizePolicy: Unsupported value: "),
    ({"spec": {**one(resizePolicy=[{"resourceName": "cpu", "restartPolicy": "RestartContainer"}])["spec"],
               "restartPolicy": "Never"}}, f"{C}resizePolicy: Invalid value: "),
    (volume(emptyDir={"sizeLimit": "-1"}), "spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be"),
    (volume(nfs={"server": "s", "path": "x"}), 'spec.volumes[0].nfs.path: Invalid value: "x": must be an absolute'),
    (volume(ephemeral={}), "spec.volumes[0].ephemeral.volumeClaimTemplate: Required value"),
    (volume(downwardAPI={"items": [{"path": "a"}]}), "spec.volumes[0].downwardAPI.items[0]: Required value: one of"),
    (volume(downwardAPI={"items": [{"path": "a", "resourceFieldRef": CPU}]}),
     "spec.volumes[0].downwardAPI.items[0].resourceFieldRef.containerName: Required value"),
    (volume(projected={"sources": [{kind: {"name": "a", "items": [{"key": "k", "path": "p"}]}}
                                   for kind in ("configMap", "secret")]}),
     'spec.volumes[0].projected: Invalid value: "p": conflicting duplicate paths'),
    (spread(minDomains=2, whenUnsatisfiable="ScheduleAnyway"), (
        "spec.topologySpreadConstraints[0].minDomains: Invalid value: 2: can only use minDomains if")),
    (spread(matchLabelKeys=["a"], labelSelector={"matchLabels": {"a": "b"}}), (
        'spec.topologySpreadConstraints[0].matchLabelKeys[0]: Invalid value: "a": exists in both matchLabelKeys')),
    (near(namespaces=["A_"]), f"spec.affinity.podAffinity.{FIELDS}[0].namespace: Invalid value"),
    (near(matchLabelKeys=["x"], mismatchLabelKeys=["x"]), (
        f'spec.affinity.podAffinity.{FIELDS}[0].matchLabelKeys[0]: Invalid value: "x": exists in both')),
    (near(matchLabelKeys=["a"], labelSelector={"matchLabels": {"a": "b"}, "matchExpressions": [
        {"key": "a", "operator": "In", "values": ["b"]}]}),
     f'spec.affinity.podAffinity.{FIELDS}[0][0]: Invalid value: "a": exists in both matchLabelKeys and labelSelector'),
    (claims("a", "a"), 'spec.resourceClaims[1].name: Duplicate value: "a"'),
    (claims("A"), 'spec.resourceClaims[0].name: Invalid value: "A": a lowercase RFC 1123 label'),
    (pod(resourceClaims=[{"name": "a"}]), "spec.resourceClaims[0]: Invalid value: "),
    (claims("b", held=({"name": "a"},)), (
        f'{C}resources.claims[0]: Not found: "a": must be one of the names in pod.spec.resourceClaims: b')),
    (claims("a", held=({"name": "a", "request": "r"}, {"name": "a"})), f'{C}resources.claims[1]: Duplicate value: "a"'),
    (windows(gmsaCredentialSpecName="A_"), "spec.securityContext.windowsOptions.gmsaCredentialSpecName: Invalid value"),
    (windows(runAsUserName=""), (
        'spec.securityContext.windowsOptions.runAsUserName: Invalid value: "": runAsUserName cannot be an empty string'
    )),
    (windows(runAsUserName="a\\b\\c"), "spec.securityContext.windowsOptions.runAsUserName: Invalid value: "),
    (windows(runAsUserName="a:b\\c"), "spec.securityContext.windowsOptions.runAsUserName: Invalid value: "),
    (windows(runAsUserName="..."), "spec.securityContext.windowsOptions.runAsUserName: Invalid value: "),
    (windows(hostProcess=True), (
        "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers")),
    (pod(containers=[
        {"name": "a", "image": "x", "securityContext": {"windowsOptions": {"hostProcess": True}}},
        {"name": "b", "image": "x"},
    ]), 'spec: Invalid value: "": If pod contains any hostProcess containers then all containers must be'),
    ({**pod(), "metadata": {"finalizers": ["foo"]}}, (
        'metadata.finalizers[0]: Invalid value: "foo": name is neither a standard finalizer name nor')),
    ({**pod(), "metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/z": "unconfined"}}},
     'metadata.annotations[container.apparmor.security.beta.kubernetes.io/z]: Invalid value: "z": container not'),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "line"), REFUSED)
def test_refused(fields: Object, line: str) -> None:
    found = create("v1", "Pod", fields)
    assert any(error.startswith(line) for error in found), found


@pytest.mark.parametrize(
    "fields",
    [
        pod(terminationGracePeriodSeconds=-1),
        pod(imagePullSecrets=[{}]),
        pod(dnsConfig={"searches": ["a_b.c", ".", "x.y."]}),
        context(sysctls=[{"name": "net.ipv4.a", "value": "1"}, {"name": "net/ipv4/a", "value": "1"}]),
        context(seccompProfile={**LOCAL, "localhostProfile": "profiles/a.json"}),
        env(name="1a b.c"),
        env(valueFrom={"fieldRef": {"fieldPath": "metadata.labels['a/b']"}}),
        env(valueFrom={"resourceFieldRef": {**CPU, "divisor": "1m"}}),
        env(valueFrom={"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}),
        one(lifecycle={"preStop": {"sleep": {"seconds": 0}}}),
        one(resources={"limits": {"a.b/gpu": "2"}}),
        one(resources={"limits": {"memory": "1.5Gi", "cpu": "0.0001"}}),
        one(ports=[{"containerPort": 80, "hostIP": "anything"}]),
        volume(),
        volume(projected={"sources": [{}]}),
        spread(matchLabelKeys=["a"]),
        near(mismatchLabelKeys=["a"]),
        near(
            matchLabelKeys=["a"], labelSelector={"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
        ),
        claims("a", "b", held=({"name": "a"}, {"name": "b", "request": "r"}, {"name": "b", "request": "s"})),
        windows(runAsUserName="NT AUTHORITY\\NETWORK SERVICE", gmsaCredentialSpecName="a.b"),
        pod(initContainers=[{"name": "i", "image": "x", "restartPolicy": "Always", "readinessProbe": EXEC}]),
        pod(os={"name": "linux"}),
    ],
)
def test_accepted(fields: Object) -> None:
    assert create("v1", "Pod", fields) == []


def test_a_gated_pod_may_narrow_where_it_runs() -> None:
    gated = pod(schedulingGates=[{"name": "a/b"}], nodeSelector={"a": "b"})
    assert update("v1", "Pod", gated, pod(schedulingGates=[], nodeSelector={"a": "b", "c": "d"})) == []
    (refused,) = update("v1", "Pod", gated, pod(schedulingGates=[], nodeSelector={"a": "c"}))
    assert refused.endswith("only additions are allowed (no mutations or deletions)")


def test_an_image_of_a_template_may_have_blanks_around_it() -> None:
    spaced = [{"name": "c", "image": " "}]
    assert create("v1", "PodTemplate", {"template": pod(containers=spaced)}) == []
    assert create("v1", "Pod", pod(containers=spaced)) == [
        'spec.containers[0].image: Invalid value: " ": must not have leading or trailing whitespace'
    ]


def test_containers_of_a_stateful_set_mount_what_claim_templates_give() -> None:
    """Upstream leaves the spec of a StatefulSet's pods to the pods (ValidatePodTemplateSpecForStatefulSet)."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    spec = {
        "serviceName": "db",
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, **one(volumeMounts=[{"name": "data", "mountPath": "/d"}])},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
    }
    assert create("apps/v1", "StatefulSet", {"spec": spec}) == []
