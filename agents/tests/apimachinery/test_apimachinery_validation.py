"""What upstream refuses is refused, in its words; what it takes is taken."""

import copy
from typing import Any

import pytest

from tricenter.apimachinery import defaults, kinds, schema, validation
from tricenter.apimachinery.records import Kind

Object = dict[str, Any]
POD: Object = {"containers": [{"name": "c", "image": "nginx"}]}
TEMPLATE: Object = {"metadata": {"labels": {"app": "web"}}, "spec": POD}
SELECTOR: Object = {"matchLabels": {"app": "web"}}
DEPLOYMENT: Object = {"spec": {"selector": SELECTOR, "template": TEMPLATE}}
SERVICE: Object = {"spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}}


def kind_of(api_version: str, name: str) -> Kind:
    found = kinds.of_object({"apiVersion": api_version, "kind": name})
    assert found is not None
    return found


def prepared(api_version: str, name: str, fields: Object) -> Object:
    kind = kind_of(api_version, name)
    obj: Object = {"apiVersion": api_version, "kind": name, **copy.deepcopy(fields)}
    meta = {"name": "x", **({"namespace": "default"} if kind.namespaced else {}), **obj.get("metadata", {})}
    obj["metadata"] = meta
    schema.prune(kind, obj)
    defaults.apply(kind, obj)
    return obj


def create(api_version: str, name: str, fields: Object) -> list[str]:
    return [str(error) for error in validation.validate_create(
        kind_of(api_version, name), prepared(api_version, name, fields)
    )]  # fmt: skip


def update(api_version: str, name: str, old: Object, new: Object, subresource: str = "") -> list[str]:
    kind = kind_of(api_version, name)
    before, after = prepared(api_version, name, old), prepared(api_version, name, new)
    return [str(error) for error in validation.validate_update(kind, before, after, subresource=subresource)]


def pod(**fields: Any) -> Object:
    return {"spec": {**copy.deepcopy(POD), **fields}}


def one(**fields: Any) -> Object:
    return pod(containers=[{"name": "c", "image": "nginx", **fields}])


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (pod(containers=[]), "spec.containers: Required value"),
        (pod(containers=[{"name": "c"}]), "spec.containers[0].image: Required value"),
        (pod(containers=POD["containers"] * 2), 'spec.containers[1].name: Duplicate value: "c"'),
        (pod(restartPolicy="Sometimes"),
         'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'),
        (one(imagePullPolicy="Maybe"), ('spec.containers[0].imagePullPolicy: Unsupported value: "Maybe": '
         'supported values: "Always", "IfNotPresent", "Never"')),
        (one(ports=[{"containerPort": 70000}]), ("spec.containers[0].ports[0].containerPort: Invalid value: 70000: "
         "must be between 1 and 65535, inclusive")),
        (one(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}), ('spec.containers[0].resources.requests: '
         'Invalid value: "2": must be less than or equal to cpu limit of 1')),
        (one(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
         'spec.containers[0].volumeMounts[0].name: Not found: "v"'),
        (one(env=[{"name": "A=B", "value": "x"}]), 'spec.containers[0].env[0].name: Invalid value: "A=B": '),
        (one(livenessProbe={"periodSeconds": 1}),
         "spec.containers[0].livenessProbe: Required value: must specify a handler type"),
        (one(livenessProbe={"exec": {"command": ["x"]}, "successThreshold": 2}),
         "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"),
        (pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]),
         "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"),
        (pod(volumes=[{"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "../x"}]}}]),
         "spec.volumes[0].configMap.items[0].path: Invalid value: \"../x\": must not contain '..'"),
        (pod(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]), ("spec.tolerations[0].operator: "
         "Invalid value: \"b\": value must be empty when `operator` is 'Exists'")),
        (pod(dnsPolicy="None"), ("spec.dnsConfig: Required value: must provide `dnsConfig` when "
         "`dnsPolicy` is None")),
        (pod(shareProcessNamespace=True, hostPID=True), ("spec.securityContext.shareProcessNamespace: Invalid "
         "value: true: ShareProcessNamespace and HostPID cannot both be enabled")),
        (pod(topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule"}]),
         "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"),
        (pod(initContainers=[{"name": "i", "image": "x", "livenessProbe": {"exec": {"command": ["x"]}}}]),
         ("spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without "
         "restartPolicy=Always")),
        (pod(schedulingGates=[{"name": "a/b"}], nodeName="n"),
         "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"),
    ],
)  # fmt: skip
def test_pods(fields: Object, line: str) -> None:
    assert any(found.startswith(line) for found in create("v1", "Pod", fields)), create("v1", "Pod", fields)


def test_good_objects_pass() -> None:
    assert create("v1", "Pod", pod()) == []
    assert create("v1", "Service", SERVICE) == []
    assert create("apps/v1", "Deployment", DEPLOYMENT) == []
    assert create("apps/v1", "StatefulSet", {"spec": {**DEPLOYMENT["spec"], "serviceName": "s"}}) == []
    assert create("apps/v1", "DaemonSet", DEPLOYMENT) == []
    assert create("v1", "ConfigMap", {"data": {"a.b": "c"}}) == []
    assert create("v1", "Secret", {"stringData": {"a": "b"}}) == []
    assert create("v1", "Namespace", {}) == []
    cron = {
        "schedule": "*/5 * * * *",
        "jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}},
    }
    assert create("batch/v1", "CronJob", {"spec": cron}) == []


def test_metadata() -> None:
    bad = {"metadata": {"name": "A_b", "labels": {"-k": "v", "k": "a b"}, "finalizers": ["x y"]}}
    lines = create("v1", "ConfigMap", bad)
    assert lines[0].startswith('metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of')
    assert sum(line.startswith("metadata.labels: Invalid value") for line in lines) == 2
    assert any(line.startswith('metadata.finalizers: Invalid value: "x y"') for line in lines)
    assert create("v1", "Service", {**SERVICE, "metadata": {"name": "1a"}})[0].startswith(
        'metadata.name: Invalid value: "1a": a DNS-1035 label'
    )
    assert create("rbac.authorization.k8s.io/v1", "ClusterRole", {"metadata": {"name": "system:node"}}) == []
    big = {"metadata": {"annotations": {"a": "x" * 262144}}}
    assert create("v1", "ConfigMap", big) == ["metadata.annotations: Too long: may not be more than 262144 bytes"]
    owners = [{"apiVersion": "v1", "kind": "Pod", "name": n, "uid": n, "controller": True} for n in "ab"]
    assert (
        "Only one reference can have Controller"
        in create("v1", "ConfigMap", {"metadata": {"ownerReferences": owners}})[0]
    )
    cluster = {"metadata": {"namespace": "default"}}
    assert create("v1", "Node", cluster) == ["metadata.namespace: Forbidden: not allowed on this type"]
    assert update("v1", "ConfigMap", {"metadata": {"uid": "a"}}, {"metadata": {"uid": "b"}}) == [
        'metadata.uid: Invalid value: "b": field is immutable'
    ]


def test_wrong_types_come_first() -> None:
    assert create("apps/v1", "Deployment", {"spec": {**DEPLOYMENT["spec"], "replicas": "3"}}) == [
        'spec.replicas: Invalid value: "3": spec.replicas in body must be of type integer: "string"'
    ]


def test_pods_are_nearly_immutable() -> None:
    assert update("v1", "Pod", one(), one(image="nginx:2", imagePullPolicy="Always")) == []
    assert update("v1", "Pod", pod(), pod(nodeName="other"))[0].startswith(
        "spec: Forbidden: pod updates may not change"
    )
    added = pod(containers=[*POD["containers"], {"name": "d", "image": "x"}])
    assert update("v1", "Pod", pod(), added) == [
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    ]
    toleration = {"key": "a", "operator": "Exists"}
    assert update("v1", "Pod", pod(), pod(tolerations=[toleration])) == []
    assert update("v1", "Pod", pod(tolerations=[toleration]), pod())[0].startswith("spec.tolerations: Forbidden")
    assert update("v1", "Pod", pod(), pod(schedulingGates=[{"name": "a"}]))[0].startswith(
        "spec.schedulingGates: Forbidden"
    )
    debug = pod(ephemeralContainers=[{"name": "e", "image": "x"}])
    assert update("v1", "Pod", pod(), debug, "ephemeralcontainers") == []
    assert update("v1", "Pod", debug, pod(), "ephemeralcontainers")[0].startswith("spec.ephemeralContainers: Forbidden")
    assert update("v1", "Pod", one(), one(resources={"requests": {"cpu": "1"}}))[0].startswith("spec: Forbidden")
    status = {**pod(), "status": {"phase": "Running"}}
    assert update("v1", "Pod", pod(), status, "status") == []


def test_a_resize_changes_cpu_and_memory_of_containers_that_stay() -> None:
    """ValidatePodResize of pkg/apis/core/validation."""

    def sized(**requests: str) -> Object:
        return one(resources={"requests": requests})

    def starting(cpu: str) -> Object:
        init = {"name": "i", "image": "i", "resources": {"requests": {"cpu": cpu}}}
        return pod(initContainers=[{**POD["containers"][0], **init}])

    small = sized(cpu="1", memory="1Mi")
    where = "spec.containers[0].resources.requests"
    assert update("v1", "Pod", small, sized(cpu="2", memory="2Mi"), "resize") == []
    assert update("v1", "Pod", one(), small, "resize") == [
        'spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing'
    ]
    assert update("v1", "Pod", small, sized(cpu="2"), "resize") == [
        f"{where}: Forbidden: resource requests cannot be removed"
    ]
    policy = [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]
    for other in (
        sized(cpu="1", memory="1Mi", **{"ephemeral-storage": "1Gi"}),
        one(resources={"requests": {"cpu": "1", "memory": "1Mi"}}, resizePolicy=policy),
    ):
        assert update("v1", "Pod", small, other, "resize") == [
            "spec: Forbidden: only cpu and memory resources are mutable"
        ]
    assert update("v1", "Pod", starting("1"), starting("2"), "resize") == [
        "spec.initContainers[0].resources: Forbidden: resources for non-sidecar init containers are immutable"
    ]
    assert update("v1", "Pod", small, sized(cpu="x"), "resize")[0].startswith(where)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"spec": {"type": "ClusterIP"}}, "spec.ports: Required value"),
        ({"spec": {"ports": [{"port": 80}, {"port": 81}]}}, "spec.ports[0].name: Required value"),
        ({"spec": {"ports": [{"port": 0}]}}, "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535"),
        ({"spec": {"ports": [{"port": 80, "nodePort": 30000}]}},
         "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"),
        ({"spec": {"type": "Odd", "ports": [{"port": 80}]}}, 'spec.type: Unsupported value: "Odd"'),
        ({"spec": {"type": "ExternalName"}}, "spec.externalName: Required value"),
        ({"spec": {"ports": [{"port": 80}], "externalTrafficPolicy": "Local"}},
         'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'),
        ({"spec": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]}},
         'spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}'),
    ],
)  # fmt: skip
def test_services(fields: Object, line: str) -> None:
    assert any(found.startswith(line) for found in create("v1", "Service", fields)), create("v1", "Service", fields)


def test_a_cluster_address_stays() -> None:
    old = {"spec": {**SERVICE["spec"], "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5"]}}
    new = {"spec": {**SERVICE["spec"], "clusterIP": "10.96.0.6", "clusterIPs": ["10.96.0.6"]}}
    assert update("v1", "Service", old, new) == [
        'spec.clusterIPs[0]: Invalid value: ["10.96.0.6"]: may not change once set'
    ]
    assert update("v1", "Service", old, old) == []


def workload(**fields: Any) -> Object:
    return {"spec": {**copy.deepcopy(DEPLOYMENT["spec"]), **fields}}


def test_deployments() -> None:
    def lines(**fields: Any) -> list[str]:
        return create("apps/v1", "Deployment", workload(**fields))

    assert lines(replicas=-1) == ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]
    assert lines(selector={"matchLabels": {"app": "other"}}) == [
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'
    ]
    assert lines(selector={})[0] == "spec.selector: Invalid value: {}: empty selector is invalid for deployment"
    rolling = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}
    assert lines(strategy=rolling) == [
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"
    ]
    never = {**TEMPLATE, "spec": {**POD, "restartPolicy": "Never"}}
    assert lines(template=never) == [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'
    ]
    missing = create("apps/v1", "Deployment", {"spec": {"template": TEMPLATE}})
    assert missing == ["spec.selector: Required value"]
    changed = workload(selector={"matchExpressions": [{"key": "app", "operator": "Exists"}]})
    assert update("apps/v1", "Deployment", workload(), changed)[0].endswith("field is immutable")
    assert update("apps/v1", "StatefulSet", workload(serviceName="a"), workload(serviceName="b"))[0].startswith(
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template',"
    )


def test_jobs() -> None:
    job = workload(template={**TEMPLATE, "spec": {**POD, "restartPolicy": "Always"}})
    assert create("batch/v1", "Job", job) == [
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
    ]
    good = workload(template={**TEMPLATE, "spec": {**POD, "restartPolicy": "Never"}})
    other = copy.deepcopy(good)
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    assert update("batch/v1", "Job", good, other)[0].startswith("spec.template: Invalid value")
    good["spec"]["suspend"] = other["spec"]["suspend"] = True
    assert update("batch/v1", "Job", good, other)[0].startswith("spec.template: Invalid value")


@pytest.mark.parametrize(
    ("moment", "read"),
    [
        ("2026-01-01T00:00:00Z", True),
        ("2026-01-01T00:00:00.5+02:00", True),
        ("2026-01-01t00:00:00z", False),
        ("2016-12-31T23:59:60Z", False),
        ("2026-01-01T00:00Z", False),
    ],
)
def test_only_times_that_clients_can_read_are_kept(moment: str, read: bool) -> None:
    event = {"metadata": {"namespace": "a"}, "involvedObject": {"namespace": "a"}, "firstTimestamp": moment}
    found = create("v1", "Event", event)
    assert bool(found) is not read, found


def claimed(size: str, **fields: Any) -> Object:
    resources = {"requests": {"storage": size}, **fields}
    return {"spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "v", "resources": resources}}


def test_a_claim_may_ask_for_less_than_it_did_but_not_for_less_than_it_has() -> None:
    status = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
    old = {**claimed("10Gi"), **status}
    for size, refused in (("20Gi", False), ("2Gi", False), ("1Gi", True)):
        found = update("v1", "PersistentVolumeClaim", old, {**claimed(size), **status})
        wanted = "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
        assert found == ([wanted] if refused else [])
    more = {**claimed("10Gi", limits={"storage": "20Gi"}), **status}
    assert update("v1", "PersistentVolumeClaim", old, more)[0].startswith("spec: Forbidden: spec is immutable")
    assert update("v1", "PersistentVolumeClaim", claimed("1Gi"), claimed("2Gi"))[0].startswith(
        "spec: Forbidden: spec is"
    )


def test_what_volumes_hang_on_stays() -> None:
    def volume(**csi: Any) -> Object:
        source = {"driver": "d", "volumeHandle": "h", **csi}
        return {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "csi": source}}

    secret = {"controllerExpandSecretRef": {"name": "a", "namespace": "b"}}
    assert update("v1", "PersistentVolume", volume(), volume(**secret)) == []
    assert update("v1", "PersistentVolume", volume(**secret), volume())[0].startswith("spec.persistentvolumesource: ")
    nodes = [{"spec": {"drivers": [{"name": "d", "nodeID": text}]}} for text in "ab"]
    assert update("storage.k8s.io/v1", "CSINode", *nodes)[0].startswith("CSINodeDriver: Invalid value")
    assert update("storage.k8s.io/v1", "CSINode", nodes[0], {"spec": {"drivers": []}}) == []
    drivers = [{"spec": {"attachRequired": value}} for value in (True, False)]
    assert update("storage.k8s.io/v1", "CSIDriver", *drivers) == [
        "spec.attachedRequired: Invalid value: false: field is immutable"
    ]
    classes = [{"provisioner": "a", "volumeBindingMode": mode} for mode in ("Immediate", "WaitForFirstConsumer")]
    assert update("storage.k8s.io/v1", "StorageClass", *classes) == [
        'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable'
    ]


def test_a_job_that_has_not_started_may_be_sent_elsewhere() -> None:
    old = workload(suspend=True, template={**TEMPLATE, "spec": {**POD, "restartPolicy": "Never"}})
    new, place = copy.deepcopy(old), {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}
    new["spec"]["template"]["metadata"] = {"labels": {**new["spec"]["template"]["metadata"]["labels"], "b": "c"}}
    new["spec"]["template"]["spec"] |= {
        "nodeSelector": {"pool": "a"},
        "tolerations": [{"operator": "Exists"}],
        "schedulingGates": [{"name": "example.com/gate"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": place}},
    }
    assert update("batch/v1", "Job", old, new) == []
    old["status"] = {"startTime": "2026-01-01T00:00:00Z"}
    assert update("batch/v1", "Job", old, new)[0].startswith("spec.template: Invalid value")


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({}, "spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"),
        ({"rules": [{"host": "1.2.3.4"}]},
         'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address'),
        ({"rules": [{"http": {"paths": [{"path": "x", "pathType": "Prefix", "backend": {"service": {
            "name": "s", "port": {"number": 80}}}}]}}]},
         'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path'),
        ({"rules": [{"http": {"paths": [{"path": "/", "backend": {"service": {"name": "s", "port": {}}}}]}}]},
         "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"),
        ({"defaultBackend": {}}, "spec.defaultBackend: Required value: resource or service backend is required"),
    ],
)  # fmt: skip
def test_ingresses(spec: Object, line: str) -> None:
    assert line in create("networking.k8s.io/v1", "Ingress", {"spec": spec})


def test_network_policies() -> None:
    def lines(**spec: Any) -> list[str]:
        return create("networking.k8s.io/v1", "NetworkPolicy", {"spec": {"podSelector": {}, **spec}})

    block = {"cidr": "10.0.0.0/8", "except": ["192.168.0.0/16"]}
    assert lines(ingress=[{"from": [{"ipBlock": block}]}]) == [
        'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "192.168.0.0/16": must be a strict subset of `cidr`'
    ]
    assert lines(ingress=[{"from": [{}]}]) == ["spec.ingress[0].from[0]: Required value: must specify a peer"]
    assert lines(egress=[{"ports": [{"port": 90, "endPort": 80}]}])[0].endswith("greater than or equal to `port`")
    assert lines(policyTypes=["Sideways"])[0].startswith('spec.policyTypes[0]: Unsupported value: "Sideways"')


def test_configuration() -> None:
    assert create("v1", "ConfigMap", {"data": {"a b": "c"}})[0].startswith(
        'data[a b]: Invalid value: "a b": a valid config key'
    )
    assert create("v1", "ConfigMap", {"data": {"a": "x" * 1048577}}) == [
        ": Too long: may not be more than 1048576 bytes"
    ]
    fixed = {"data": {"a": "1"}, "immutable": True}
    assert update("v1", "ConfigMap", fixed, {**fixed, "data": {"a": "2"}}) == [
        "data: Forbidden: field is immutable when `immutable` is set"
    ]
    assert create("v1", "Secret", {"type": "kubernetes.io/tls"}) == [
        "data[tls.crt]: Required value", "data[tls.key]: Required value",
    ]  # fmt: skip
    assert update("v1", "Secret", {"type": "a"}, {"type": "b"}) == ['type: Invalid value: "b": field is immutable']
    assert create("v1", "Secret", {"data": {"a": "%"}})[0].endswith("illegal base64 data")


def test_access() -> None:
    group = "rbac.authorization.k8s.io/v1"
    assert create(group, "Role", {"rules": [{"verbs": []}]}) == [
        "rules[0].verbs: Required value: verbs must contain at least one value",
        "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        "rules[0].resources: Required value: resource rules must supply at least one resource",
    ]
    binding = {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "s"}]}
    assert create(group, "RoleBinding", binding) == ["subjects[0].namespace: Required value"]
    good = {**binding, "subjects": [{"kind": "User", "name": "u"}]}
    assert create(group, "RoleBinding", good) == []
    assert update(group, "RoleBinding", good, {**good, "roleRef": {"kind": "Role", "name": "q"}})[0].endswith(
        "cannot change roleRef"
    )


def test_others() -> None:
    assert create("coordination.k8s.io/v1", "Lease", {"spec": {"leaseDurationSeconds": 0}}) == [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"
    ]
    assert create("v1", "ResourceQuota", {"spec": {"hard": {"pods": "1500m"}}}) == [
        'spec.hard[pods]: Invalid value: "1500m": must be an integer'
    ]
    claim = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    assert create("v1", "PersistentVolumeClaim", claim) == []
    assert create("v1", "PersistentVolumeClaim", {"spec": {}})[0].startswith("spec.accessModes: Required value")
    mode = {"spec": {**claim["spec"], "volumeMode": "Block"}}
    assert update("v1", "PersistentVolumeClaim", claim, mode)[0].startswith("spec: Forbidden: spec is immutable")
    slices = {"addressType": "IPv4", "endpoints": [{"addresses": ["fd00::1"]}]}
    assert create("discovery.k8s.io/v1", "EndpointSlice", slices) == [
        'endpoints[0].addresses[0]: Invalid value: "fd00::1": must be an IPv4 address'
    ]
    old, new = {"spec": {"podCIDR": "10.101.0.0/24"}}, {"spec": {"podCIDR": "10.101.1.0/24"}}
    assert update("v1", "Node", old, new)[0].startswith("spec.podCIDRs: Forbidden: node updates may not change podCIDR")
    event = {"metadata": {"namespace": "a"}, "involvedObject": {"namespace": "b"}}
    assert create("v1", "Event", event)[0].endswith("does not match event.namespace")
    high = {"value": 2_000_000_000}
    assert create("scheduling.k8s.io/v1", "PriorityClass", high)[0].startswith(
        "value: Forbidden: maximum allowed value"
    )


@pytest.mark.parametrize("kind", kinds.BUILTIN, ids=lambda kind: f"{kind.api_version}.{kind.kind}")
def test_rules_survive_bare_objects(kind: Kind) -> None:
    group, name = kind.api_version, kind.kind
    for bare in ({}, {"spec": {}}) if schema.of(kind).type.fields.get("spec") else ({},):
        answers = create(group, name, bare) + update(group, name, bare, bare)
        assert all(": " in answer for answer in answers), "path and reason"
