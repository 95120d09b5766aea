"""Tables show what kubectl users know from upstream."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tricenter.apimachinery import conversion, kinds, tables
from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.tables import custom, text

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
MADE = "2026-01-01T11:55:00Z"


def row(api_version: str, name: str, obj: dict[str, Any]) -> dict[str, Any]:
    obj = {"apiVersion": api_version, "kind": name, **obj}
    obj["metadata"] = {"name": "x", "creationTimestamp": MADE, **obj.get("metadata", {})}
    kind = kinds.of_object(obj)
    assert kind is not None
    columns, cells = tables.columns(kind), tables.cells(kind, obj, NOW)
    assert len(columns) == len(cells)
    return {column["name"]: cell for column, cell in zip(columns, cells, strict=True)}


@pytest.mark.parametrize("kind", kinds.BUILTIN, ids=lambda kind: f"{kind.api_version}.{kind.kind}")
def test_every_kind_prints_a_bare_object(kind: Kind) -> None:
    assert row(kind.api_version, kind.kind, {})["Name"] == "x"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (150, "2m30s"), (600, "10m"),
        (10799, "179m"), (10800, "3h"), (3 * 3600 + 300, "3h5m"), (30 * 3600, "30h"), (50 * 3600, "2d2h"),
        (9 * 86400, "9d"), (800 * 86400, "2y70d"), (3000 * 86400, "8y"),
    ],
)  # fmt: skip
def test_durations(seconds: int, shown: str) -> None:
    assert text.human(timedelta(seconds=seconds)) == shown


def pod(status: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    spec = {"nodeName": "n1", "containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]}
    return {"metadata": metadata, "spec": spec, "status": status}


RUNNING = {"ready": True, "state": {"running": {}}, "restartCount": 0}
INIT_DONE = [{"name": "i", "state": {"terminated": {"exitCode": 0}}}]


@pytest.mark.parametrize(
    ("status", "ready", "state", "restarts"),
    [
        ({"phase": "Pending"}, "0/2", "Pending", "0"),
        ({"phase": "Running", "initContainerStatuses": INIT_DONE, "containerStatuses": [RUNNING, RUNNING]},
         "2/2", "Running", "0"),
        ({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]},
         "0/2", "Init:0/1", "0"),
        ({"phase": "Pending", "initContainerStatuses": [
            {"name": "i", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
         "0/2", "Init:CrashLoopBackOff", "2"),
        ({"phase": "Running", "containerStatuses": [
            RUNNING, {"restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                      "lastState": {"terminated": {"finishedAt": "2026-01-01T11:58:00Z"}}}]},
         "1/2", "CrashLoopBackOff", "3 (2m ago)"),
        ({"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"reason": "Completed"}}}]},
         "0/2", "Completed", "0"),
        ({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]},
         "0/2", "ExitCode:3", "0"),
        ({"phase": "Failed", "reason": "Evicted"}, "0/2", "Evicted", "0"),
        ({"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]},
         "0/2", "SchedulingGated", "0"),
        ({"phase": "Running", "containerStatuses": [RUNNING, {"state": {"terminated": {"reason": "Completed"}}}]},
         "1/2", "NotReady", "0"),
    ],
)  # fmt: skip
def test_pods(status: dict[str, Any], ready: str, state: str, restarts: str) -> None:
    found = row("v1", "Pod", pod(status))
    assert (found["Ready"], found["Status"], found["Restarts"], found["Age"]) == (ready, state, restarts, "5m")
    assert found["Node"] == "n1"


def test_a_pod_that_is_being_deleted_is_terminating() -> None:
    assert row("v1", "Pod", pod({"phase": "Running"}, deletionTimestamp=MADE))["Status"] == "Terminating"


def test_services() -> None:
    spec = {"type": "LoadBalancer", "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"],
            "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}],
            "selector": {"b": "2", "a": "1"}}  # fmt: skip
    found = row("v1", "Service", {"spec": spec})
    assert (found["External-IP"], found["Port(s)"], found["Selector"]) == ("<pending>", "80:30080/TCP", "a=1,b=2")
    status = {"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}}
    assert row("v1", "Service", {"spec": spec, "status": status})["External-IP"] == "203.0.113.10"


def test_nodes() -> None:
    found = row("v1", "Node", {
        "metadata": {"labels": {"node-role.kubernetes.io/worker": ""}}, "spec": {"unschedulable": True},
        "status": {"conditions": [{"type": "Ready", "status": "False"}], "nodeInfo": {"kubeletVersion": "v1.33.0"},
                   "addresses": [{"type": "InternalIP", "address": "10.1.1.21"}]},
    })  # fmt: skip
    assert found["Status"] == "NotReady,SchedulingDisabled"
    assert (found["Roles"], found["Version"], found["Internal-IP"]) == ("worker", "v1.33.0", "10.1.1.21")


def test_workloads() -> None:
    spec = {"replicas": 3, "selector": {"matchLabels": {"a": "b"}},
            "template": {"spec": {"containers": [{"name": "c", "image": "i:1"}]}}}  # fmt: skip
    found = row("apps/v1", "Deployment", {"spec": spec, "status": {"readyReplicas": 2, "updatedReplicas": 3}})
    assert (found["Ready"], found["Up-to-date"], found["Available"], found["Images"]) == ("2/3", 3, 0, "i:1")
    assert found["Selector"] == "a=b"
    job = row("batch/v1", "Job", {"spec": {"completions": 2}, "status": {"succeeded": 1, "startTime": MADE}})
    assert (job["Status"], job["Completions"], job["Duration"]) == ("Running", "1/2", "5m")


def test_events_of_both_groups_look_the_same() -> None:
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "type": "Normal", "reason": "Pulled",
        "message": "done\n", "involvedObject": {"kind": "Pod", "name": "web"}, "count": 2, "firstTimestamp": MADE,
        "lastTimestamp": MADE, "source": {"component": "kubelet", "host": "n1"},
    }  # fmt: skip
    core = row("v1", "Event", event)
    assert (core["Last Seen"], core["Object"], core["Source"], core["Message"]) == (
        "5m", "pod/web", "kubelet, n1", "done",
    )  # fmt: skip
    newer = conversion.convert(event, "events.k8s.io/v1")
    assert newer["regarding"] == event["involvedObject"]
    assert row("events.k8s.io/v1", "Event", newer) == core
    assert conversion.convert(newer, "v1") == event


def test_autoscalers_convert_without_loss() -> None:
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
    }
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    new = {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
        "spec": {"maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "d"}, "metrics": [cpu, memory],
                 "behavior": {"scaleUp": {"selectPolicy": "Max"}}},
        "status": {"currentReplicas": 1, "conditions": [{"type": "AbleToScale", "status": "True"}]},
    }  # fmt: skip
    old = conversion.convert(new, "autoscaling/v1")
    assert old["spec"]["targetCPUUtilizationPercentage"] == 70
    assert conversion.convert(old, "autoscaling/v2") == new
    expected = "cpu: <unknown>/70%, memory: <unknown>/1Gi"
    assert row("autoscaling/v2", "HorizontalPodAutoscaler", new)["Targets"] == expected
    assert row("autoscaling/v1", "HorizontalPodAutoscaler", old)["Targets"] == expected


def test_custom_columns() -> None:
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "First", "type": "string", "jsonPath": ".spec.list[0]", "priority": 1},
        {"name": "Label", "type": "string", "jsonPath": r".metadata.labels.app\.kubernetes\.io/name"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "None", "type": "string", "jsonPath": ".spec.nothing"},
    ]
    obj = {
        "metadata": {"name": "a", "creationTimestamp": MADE, "labels": {"app.kubernetes.io/name": "shop"}},
        "spec": {"size": 3, "list": ["p", "q"]}, "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }  # fmt: skip
    assert custom.cells(columns, obj, NOW) == ["a", 3, "True", "p", "shop", "5m", None]
    assert [column["priority"] for column in custom.columns(columns)] == [0, 0, 0, 1, 0, 0, 0]
    assert custom.cells(None, obj, NOW) == ["a", "5m"]


@pytest.mark.parametrize(
    ("path", "kind", "shown"),
    [
        (".status.conditions[-1:].type", "string", "Failed"),  # as Kubeflow's jobs have it
        (".status.conditions[1:].type", "string", "Running"),
        (".status.conditions[5:].type", "string", None),
        (".status.conditions[*].type", "string", "Created"),  # the first one only, as upstream
        (".status.conditions[?( @.type != 'Created' )].type", "string", "Running"),
        (".status.conditions[?(@.count>=2)].type", "string", "Running"),
        (".status.conditions[?(@.last==true)].type", "string", "Failed"),
        (".status.conditions[?(@.last)].type", "string", "Failed"),
        (".status.conditions[?(@.type>=2)].type", "string", None),
        (".status.conditions[-1:].count", "integer", 3),
        (".status.conditions[0].type", "date", "<invalid>"),
    ],
)
def test_paths_into_lists(path: str, kind: str, shown: object) -> None:
    conditions = [{"type": "Created"}, {"type": "Running", "count": 2}, {"type": "Failed", "count": 3, "last": True}]
    obj = {"metadata": {"name": "a"}, "status": {"conditions": conditions}}
    assert custom.cells([{"name": "C", "type": kind, "jsonPath": path}], obj, NOW) == ["a", shown]


def test_a_column_whose_path_nobody_can_follow_is_empty() -> None:
    shown = [{"name": "A", "type": "string", "jsonPath": ".spec[?(@.a>1.2.3)].b"}, {"name": "B", "jsonPath": ".spec.b"}]
    assert custom.cells(shown, {"metadata": {"name": "x"}, "spec": {"b": "c"}}, NOW) == ["x", None, "c"]


def described(group: str, version: str, name: str) -> dict[str, str]:
    kind = kinds.by_kind(group, version, name)
    assert kind is not None
    return {column["name"]: column["description"] for column in tables.columns(kind)}


@pytest.mark.parametrize("kind", kinds.BUILTIN, ids=lambda kind: f"{kind.api_version}.{kind.kind}")
def test_every_column_says_what_it_is(kind: Kind) -> None:
    unsaid = {"metrics.k8s.io": {"cpu", "memory", "Window"}, "node.k8s.io": {"Handler"}}
    missing = {column["name"] for column in tables.columns(kind) if not column["description"]}
    assert missing <= unsaid.get(kind.group, set())


def test_columns_are_described_as_the_fields_they_show() -> None:
    pod = described("", "v1", "Pod")
    assert pod["Name"].startswith("Name must be unique within a namespace.")
    assert pod["Age"].startswith("CreationTimestamp is a timestamp representing the server time")
    assert pod["Ready"] == "The aggregate readiness state of this pod for accepting traffic."
    assert pod["IP"].startswith("podIP address allocated to the pod.")
    assert described("apps", "v1", "DaemonSet")["Node Selector"].startswith("NodeSelector is a selector which must be")
    assert described("", "v1", "Node")["Version"].startswith("Kubelet Version reported by the node")
    assert described("coordination.k8s.io", "v1", "Lease")["Holder"].startswith("holderIdentity contains the identity")
    path = {"name": "Spec", "type": "string", "jsonPath": ".spec.x"}
    name, column = custom.columns([path])
    assert name["description"] == pod["Name"]
    assert column["description"] == "Custom resource definition column (in JSONPath format): .spec.x"
    assert custom.columns([{**path, "description": "X."}])[1]["description"] == "X."
