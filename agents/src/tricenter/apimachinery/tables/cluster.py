"""Rows of nodes, namespaces, events, configuration and quota."""

from datetime import datetime
from typing import Any

from tricenter.apimachinery.tables import text
from tricenter.apimachinery.tables.text import NONE, UNKNOWN, Object, Printer

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE = "kubernetes.io/role"


def _roles(labels: dict[str, str]) -> str:
    found = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    return ",".join(sorted(found | {labels.get(_ROLE, "")} - {""})) or NONE


def _address(obj: Object, kind: str) -> str:
    for item in text.status(obj).get("addresses") or ():
        if item.get("type") == kind:
            return str(item.get("address", ""))
    return NONE


def _node(obj: Object, now: datetime) -> list[Any]:
    ready = text.condition(obj, "Ready")
    state = "Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"
    if text.spec(obj).get("unschedulable"):
        state += ",SchedulingDisabled"
    info = text.status(obj).get("nodeInfo") or {}
    return [
        state,
        _roles(obj["metadata"].get("labels") or {}),
        text.age(obj, now),
        info.get("kubeletVersion", ""),
        _address(obj, "InternalIP"),
        _address(obj, "ExternalIP"),
        *(info.get(key) or UNKNOWN for key in ("osImage", "kernelVersion", "containerRuntimeVersion")),
    ]


def _namespace(obj: Object, now: datetime) -> list[Any]:
    return [text.status(obj).get("phase", ""), text.age(obj, now)]


def _secret(obj: Object, now: datetime) -> list[Any]:
    return [obj.get("type", ""), len(obj.get("data") or ()), text.age(obj, now)]


def _config_map(obj: Object, now: datetime) -> list[Any]:
    return [len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), text.age(obj, now)]


def _service_account(obj: Object, now: datetime) -> list[Any]:
    return [len(obj.get("secrets") or ()), text.age(obj, now)]


def _component_status(obj: Object, now: datetime) -> list[Any]:  # noqa: ARG001 - a printer's signature
    for item in obj.get("conditions") or ():
        if item.get("type") == "Healthy":
            state = "Healthy" if item.get("status") == "True" else "Unhealthy"
            return [state, item.get("message", ""), item.get("error", "")]
    return ["Unknown", "", ""]


def _quota(obj: Object, now: datetime) -> list[Any]:
    status = text.status(obj)
    used = status.get("used") or {}
    columns: dict[bool, list[str]] = {False: [], True: []}
    for resource, hard in sorted((status.get("hard") or {}).items()):
        columns[resource.startswith("limits.")].append(f"{resource}: {used.get(resource, '0')}/{hard}")
    return [", ".join(columns[False]), ", ".join(columns[True]), text.age(obj, now)]


def _lease(obj: Object, now: datetime) -> list[Any]:
    return [text.spec(obj).get("holderIdentity", ""), text.age(obj, now)]


def event_cells(obj: Object, now: datetime) -> list[Any]:
    """All cells of a core Event: it is the one kind whose name is not the first column."""
    series, source = obj.get("series"), obj.get("source") or {}
    first = text.since(obj.get("firstTimestamp") or obj.get("eventTime"), now)
    last = text.since(obj.get("lastTimestamp"), now) if obj.get("lastTimestamp") else first
    count = obj.get("count") or 1
    if series:
        last, count = text.since(series.get("lastObservedTime"), now), series.get("count", 1)
    target = obj.get("involvedObject") or {}
    kind, name = str(target.get("kind", "")).lower(), target.get("name")
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return [
        last,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{kind}/{name}" if name else kind,
        target.get("fieldPath", ""),
        f"{component}, {host}" if host else component,
        str(obj.get("message", "")).strip(),
        first,
        count,
        obj["metadata"].get("name", ""),
    ]


EVENT_COLUMNS = "Last_Seen Type Reason Object Subobject* Source* Message First_Seen* Count* Name*"

PRINTERS = {
    ("", "Node"): Printer(
        "Status Roles Age Version Internal-IP* External-IP* OS-Image* Kernel-Version* Container-Runtime*", _node
    ),
    ("", "Namespace"): Printer("Status Age", _namespace),
    ("", "Secret"): Printer("Type Data Age", _secret),
    ("", "ConfigMap"): Printer("Data Age", _config_map),
    ("", "ServiceAccount"): Printer("Secrets Age", _service_account),
    ("", "ComponentStatus"): Printer("Status Message Error", _component_status),
    ("", "ResourceQuota"): Printer("Request Limit Age", _quota),
    ("coordination.k8s.io", "Lease"): Printer("Holder Age", _lease),
}
