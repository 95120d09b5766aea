"""Kinds besides pods as upstream's validation tests have them: refused and accepted."""

from typing import Any

import pytest
from test_apimachinery_validation import DEPLOYMENT, POD, SELECTOR, TEMPLATE, create, update

Object = dict[str, Any]
NEVER = {"restartPolicy": "Never", **POD}
INDEXED = {"completionMode": "Indexed", "completions": 2}
CPU = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def service(**spec: Any) -> Object:
    return {"spec": {"ports": [{"port": 80}], "selector": {"a": "b"}, **spec}}


def job(**spec: Any) -> Object:
    # what the server generates
    template = {"metadata": {"labels": {"app": "web"}}, "spec": NEVER}
    return {"spec": {"selector": SELECTOR, "manualSelector": True, "template": template, **spec}}


def failures(**rule: Any) -> Object:
    return job(podFailurePolicy={"rules": [{"action": "FailJob", **rule}]})


def scaler(**spec: Any) -> Object:
    target = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
    return {"spec": {"maxReplicas": 3, "scaleTargetRef": target, **spec}}


def metric(**resource: Any) -> Object:
    return scaler(metrics=[{"type": "Resource", "resource": {**CPU, **resource}}])


def upwards(**rules: Any) -> Object:
    return scaler(behavior={"scaleUp": rules})


def stateful(**spec: Any) -> Object:
    return {"spec": {"serviceName": "s", "selector": SELECTOR, "template": TEMPLATE, **spec}}


def volume(**source: Any) -> Object:
    return {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], **source}}


PV = ("v1", "PersistentVolume")
S, J, A = ("v1", "Service"), ("batch/v1", "Job"), ("autoscaling/v2", "HorizontalPodAutoscaler")
REFUSED: list[tuple[tuple[str, str], Object, str]] = [
    (S, service(type="NodePort", clusterIP="None"), (
        "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services")),
    (S, service(externalIPs=["127.0.0.1"]), 'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loop'),
    (S, service(externalIPs=["::"]), 'spec.externalIPs[0]: Invalid value: "::": may not be unspecified'),
    (S, service(ipFamilies=["IPv4", "IPv4"]), 'spec.ipFamilies[1]: Duplicate value: "IPv4"'),
    (S, service(allocateLoadBalancerNodePorts=False), "spec.allocateLoadBalancerNodePorts: Forbidden: may only be"),
    (J, job(backoffLimitPerIndex=1), "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"),
    (J, job(**INDEXED, backoffLimitPerIndex=1, maxFailedIndexes=3), (
        "spec.maxFailedIndexes: Invalid value: 3: must be less than or equal to completions")),
    (J, job(**INDEXED, maxFailedIndexes=1), "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is"),
    (J, job(**INDEXED, successPolicy={"rules": [{}]}), "spec.successPolicy.rules[0]: Required value: at least one of"),
    (J, job(**INDEXED, successPolicy={"rules": [{"succeededCount": 3}]}), (
        "spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2")),
    (J, job(**INDEXED, successPolicy={"rules": [{"succeededIndexes": "0,1-x"}]}), (
        'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0,1-x": error parsing succeededIndexes: '
        'cannot convert string to integer for index: "x"')),
    (J, job(**INDEXED, successPolicy={"rules": [{"succeededIndexes": "1,0"}]}), (
        'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "1,0": error parsing succeededIndexes: '
        "non-increasing order, previous: 1, current: 0")),
    (J, job(**INDEXED, successPolicy={"rules": [{"succeededIndexes": "0-2"}]}), (
        'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0-2": error parsing succeededIndexes: '
        'too large index: "2"')),
    (J, job(**INDEXED, successPolicy={"rules": [{"succeededIndexes": "1", "succeededCount": 2}]}), (
        "spec.successPolicy.rules[0].succeededCount: Invalid value: 2: must be less than or equal to 1 (the number")),
    (J, job(completionMode="Indexed", completions=100_001, backoffLimitPerIndex=1), (
        "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000")),
    (J, job(completionMode="Indexed", completions=10**9, backoffLimitPerIndex=1, parallelism=10_001), (
        "spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above")),
    (J, {"metadata": {"name": "x" * 62}, **job(**INDEXED)}, (
        f'metadata.name: Invalid value: "{"x" * 62}": will not able to create pod with invalid DNS label: {"x" * 62}')),
    (J, job(managedBy="x"), 'spec.managedBy: Invalid value: "x": must be a domain-prefixed path'),
    (J, failures(), "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions"),
    (J, failures(onExitCodes={"operator": "In", "values": [0]}), (
        "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator")),
    (J, failures(onExitCodes={"operator": "In", "values": list(range(1, 300_000))}), (
        "spec.podFailurePolicy.rules[0].onExitCodes.values: Too many: 299999: must have at most 255 items")),
    (J, failures(onPodConditions=[{"type": "T"}] * 21), (
        "spec.podFailurePolicy.rules[0].onPodConditions: Too many: 21: must have at most 20 items")),
    (J, failures(onExitCodes={"operator": "In", "values": [2, 1]}), (
        "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,1]: must be ordered")),
    (J, failures(action="Foo", onPodConditions=[{"type": "T"}]), (
        'spec.podFailurePolicy.rules[0].action: Unsupported value: "Foo": supported values: "Count", "FailIndex"')),
    (J, failures(action="FailIndex", onPodConditions=[{"type": "T"}]), (
        'spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex')),
    (J, job(template={"metadata": {"labels": {"app": "web"}}, "spec": POD}), (
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"')),
    (("batch/v1", "CronJob"), {"spec": {"schedule": "* * * * *", "jobTemplate": job()}},
     'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"'),
    (A, scaler(metrics=[{"type": "Resource"}]), "spec.metrics[0].resource: Required value: must populate information"),
    (A, metric(name=""), "spec.metrics[0].resource.name: Required value: must specify a resource name"),
    (A, metric(target={"type": "Utilization", "averageUtilization": 0}), (
        "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0")),
    (A, metric(target={"type": "Utilization"}), "spec.metrics[0].resource.target.averageUtilization: Required value"),
    (A, metric(target={"type": "AverageValue", "averageValue": "0"}), (
        'spec.metrics[0].resource.target.averageValue: Invalid value: "0": must be positive')),
    (A, upwards(stabilizationWindowSeconds=4000), (
        "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 4000: must be less than or equal to 3600")),
    (A, upwards(policies=[{"type": "Foo", "value": 1, "periodSeconds": 1}]), (
        'spec.behavior.scaleUp.policies[0].type: Unsupported value: "Foo": supported values: "Percent", "Pods"')),
    (A, upwards(policies=[{"type": "Pods", "value": 0, "periodSeconds": 1801}]), (
        "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero")),
    (A, upwards(policies=[{"type": "Pods", "value": 1, "periodSeconds": 1801}]), (
        "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800")),
    (("apps/v1", "StatefulSet"), stateful(updateStrategy={"type": "OnDelete", "rollingUpdate": {"partition": 1}}), (
        'spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed for updateStrategy')),
    (("apps/v1", "DaemonSet"), {"spec": {"selector": SELECTOR, "template": TEMPLATE, "updateStrategy": {
        "type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}}},
     "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
    (("policy/v1", "PodDisruptionBudget"), {"spec": {"minAvailable": "101%"}}, (
        'spec.minAvailable: Invalid value: "101%": must not be greater than 100%')),
    (("v1", "PersistentVolume"), {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/"}, "persistentVolumeReclaimPolicy": "Recycle"}},
     "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"),
    (("v1", "PersistentVolumeClaim"), {"spec": {**CLAIM, "dataSource": {"kind": "PersistentVolumeClaim", "name": ""}}},
     "spec.dataSource.name: Required value"),
    (("v1", "LimitRange"), {"spec": {"limits": [{"type": "Container", "max": {"foo": "1"}}]}}, (
        'spec.limits[0].max[foo]: Invalid value: "foo": must be a standard resource for containers')),
    (("v1", "Secret"), {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eA=="}}, (
        'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>"')),
    (("v1", "Node"), {"spec": {"podCIDRs": ["x"]}}, 'spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR'),
    (("storage.k8s.io/v1", "StorageClass"), {"provisioner": "a.b/c", "parameters": {"": "x"}}, (
        'parameters: Invalid value: "": field can not be empty.')),
    (PV, volume(csi={"driver": "a_b", "volumeHandle": "h"}), 'spec.csi.driver: Invalid value: "a_b": a lowercase RFC'),
    (PV, volume(csi={"driver": "d", "volumeHandle": ""}), "spec.csi.volumeHandle: Required value"),
    (PV, volume(csi={"driver": "d", "volumeHandle": "h", "nodePublishSecretRef": {"name": "a"}}),
     "spec.csi.nodePublishSecretRef.namespace: Required value"),
    (PV, volume(hostPath={"path": "/a"}, nodeAffinity={}), (
        "spec.nodeAffinity.required: Required value: must specify required node constraints")),
    (PV, volume(local={"path": "/a/../b"}), "spec.local.path: Invalid value: \"/a/../b\": must not contain '..'"),
    (("storage.k8s.io/v1", "StorageClass"), {"provisioner": "a", "parameters": {"a": "x" * 300_000}}, (
        "parameters: Too long: may not be more than 262144 bytes")),
    (("storage.k8s.io/v1", "StorageClass"), {"provisioner": "a", "allowedTopologies": [{"matchLabelExpressions": [
        {"key": "a", "values": ["b"]}, {"key": "a", "values": ["c"]}]}]}, (
        'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "a"')),
    (("storage.k8s.io/v1", "VolumeAttachment"), {"spec": {"attacher": "a", "nodeName": "n", "source": {
        "persistentVolumeName": "p", "inlineVolumeSpec": {"csi": {"driver": "d", "volumeHandle": "h"}}}}}, (
        "spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName")),
    (("storage.k8s.io/v1", "CSIDriver"), {"spec": {"tokenRequests": [{"audience": "a"}, {"audience": "a"}]}}, (
        'spec.tokenRequests[1].audience: Duplicate value: "a"')),
    (("storage.k8s.io/v1", "CSIDriver"), {"spec": {"fsGroupPolicy": "Some"}}, (
        'spec.fsGroupPolicy: Unsupported value: "Some": supported values: "File", "None", "ReadWriteOnceWithFSType"')),
    (("storage.k8s.io/v1", "CSINode"), {"spec": {"drivers": [{"name": "d", "nodeID": "n", "topologyKeys": ["a b"]}]}}, (
        'spec.drivers[0]: Invalid value: "a b": name part must consist of alphanumeric characters')),
    (("storage.k8s.io/v1", "CSIStorageCapacity"), {"storageClassName": "a", "nodeTopology": {"matchExpressions": [
        {"key": "a", "operator": "Near"}]}}, 'nodeTopology.matchExpressions[0].operator: Invalid value: "Near"'),
    (("networking.k8s.io/v1", "IngressClass"), {"spec": {"controller": "plain"}}, (
        'spec.controller: Invalid value: "plain": must be a domain-prefixed path (such as "acme.io/foo")')),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "line"), REFUSED)
def test_refused(kind: tuple[str, str], fields: Object, line: str) -> None:
    found = create(*kind, fields)
    assert any(error.startswith(line) for error in found), found


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (S, service(sessionAffinityConfig={"clientIP": {"timeoutSeconds": 10}})),
        (S, service(type="LoadBalancer", allocateLoadBalancerNodePorts=False)),
        (J, failures(onExitCodes={"operator": "NotIn", "values": [0, 1]})),
        (J, failures(onPodConditions=[{"type": "DisruptionTarget"}])),
        (
            J,
            job(
                **INDEXED, backoffLimitPerIndex=1, maxFailedIndexes=2, successPolicy={"rules": [{"succeededCount": 1}]}
            ),
        ),
        (J, job(managedBy="example.com/controller")),
        (PV, volume(csi={"driver": "csi.Example.com", "volumeHandle": "h"})),
        (("storage.k8s.io/v1", "CSIDriver"), {"spec": {"tokenRequests": [{"audience": ""}, {"audience": "a"}]}}),
        (
            ("storage.k8s.io/v1", "CSINode"),
            {"spec": {"drivers": [{"name": "d", "nodeID": "n", "topologyKeys": ["a/b"]}]}},
        ),
        (A, metric(target={"type": "AverageValue", "averageValue": "100m"})),
        (A, upwards(policies=[{"type": "Pods", "value": 4, "periodSeconds": 60}], selectPolicy="Disabled")),
        (("apps/v1", "Deployment"), DEPLOYMENT),
        (("coordination.k8s.io/v1", "Lease"), {"spec": {"holderIdentity": ""}}),
        (("v1", "ResourceQuota"), {"spec": {"hard": {"requests.nvidia.com/gpu": "4", "count/jobs.batch": "3"}}}),
        (("v1", "LimitRange"), {"spec": {"limits": [{"type": "Container", "max": {"example.com/gpu": "1"}}]}}),
        (("networking.k8s.io/v1", "IngressClass"), {"spec": {"controller": "k8s.io/ingress-nginx"}}),
    ],
)
def test_accepted(kind: tuple[str, str], fields: Object) -> None:
    assert create(*kind, fields) == []


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("0.0.0.0", "may not be unspecified (0.0.0.0)"),  # noqa: S104 - that it is refused is the point
        ("127.0.0.1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        ("::1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        ("::ffff:127.0.0.1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        ("169.254.169.254", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        ("fe80::9", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        ("224.0.0.1", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
        ("ff02::1", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
    ],
)
def test_endpoints_are_elsewhere(address: str, why: str) -> None:
    """As upstream's ValidateNonSpecialIP; what was stored before may be written again."""
    family = "IPv6" if ":" in address else "IPv4"
    slice_ = {"addressType": family, "endpoints": [{"addresses": [address]}]}
    refused = [f'endpoints[0].addresses[0]: Invalid value: "{address}": {why}']
    assert create("discovery.k8s.io/v1", "EndpointSlice", slice_) == refused
    assert update("discovery.k8s.io/v1", "EndpointSlice", {**slice_, "endpoints": []}, slice_) == refused
    assert update("discovery.k8s.io/v1", "EndpointSlice", slice_, slice_) == []
    for key in ("addresses", "notReadyAddresses"):
        subsets = {"subsets": [{key: [{"ip": address}]}]}
        refused = [f'subsets[0].{key}[0].ip: Invalid value: "{address}": {why}']
        assert create("v1", "Endpoints", subsets) == refused
        assert update("v1", "Endpoints", {"subsets": []}, subsets) == refused
        assert update("v1", "Endpoints", subsets, subsets) == []
