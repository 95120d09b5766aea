"""Which fields a field selector may name, by kind, and the values an object has for them.

Upstream's field label conversion functions and GetAttrs of each registry.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.selectors import FieldSelector, SelectorError

_POD = {
    "spec.nodeName": "", "spec.restartPolicy": "", "spec.schedulerName": "", "spec.serviceAccountName": "",
    "spec.hostNetwork": "false", "status.phase": "", "status.nominatedNodeName": "",
}  # fmt: skip
_INVOLVED = tuple(
    f"involvedObject.{name}"
    for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
)

# Field → what it is when the object does not have it.
_FIELDS: dict[tuple[str, str], Mapping[str, str]] = {
    ("", "Pod"): {**_POD, "status.podIP": "", "status.podIPs": ""},
    ("", "Event"): dict.fromkeys((*_INVOLVED, "reason", "reportingComponent", "source", "type"), ""),
    ("", "Secret"): {"type": ""},
    ("", "Service"): {"spec.clusterIP": "", "spec.type": ""},
    ("", "Node"): {"spec.unschedulable": "false"},
    ("", "Namespace"): {"status.phase": "", "name": ""},
    ("", "ReplicationController"): {"status.replicas": "0"},
    ("apps", "ReplicaSet"): {"status.replicas": "0"},
    ("batch", "Job"): {"status.successful": "0"},
    ("certificates.k8s.io", "CertificateSigningRequest"): {"spec.signerName": ""},
    ("events.k8s.io", "Event"): dict.fromkeys(
        (
            "regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "regarding.apiVersion",
            "regarding.resourceVersion", "regarding.fieldPath", "reason", "reportingController", "type",
        ),
        "",
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): {},
}  # fmt: skip


def _source(event: Mapping[str, Any]) -> str:
    return (event.get("source") or {}).get("component") or event.get("reportingComponent") or ""


def _first_address(pod: Mapping[str, Any]) -> str:
    status = pod.get("status") or {}
    addresses = status.get("podIPs") or [{"ip": status.get("podIP", "")}]
    return str(addresses[0].get("ip", ""))


_COMPUTED: dict[tuple[str, str, str], Callable[[Mapping[str, Any]], Any]] = {
    ("", "Event", "source"): _source,
    ("", "Pod", "status.podIP"): _first_address,
    ("", "Pod", "status.podIPs"): _first_address,
    ("", "Namespace", "name"): lambda obj: obj["metadata"].get("name"),
    ("batch", "Job", "status.successful"): lambda obj: (obj.get("status") or {}).get("succeeded"),
}


def supported(kind: Kind) -> tuple[str, ...]:
    """Fields that selectors of this kind may name."""
    metadata = ("metadata.name", "metadata.namespace") if kind.namespaced else ("metadata.name",)
    return (*metadata, *_FIELDS.get((kind.group, kind.kind), ()))


def check(kind: Kind, selector: FieldSelector, selectable: tuple[str, ...] = ()) -> None:
    """Raise SelectorError for a field the kind does not support.

    `selectable` are the further fields a custom resource declares, without the leading dot.
    """
    allowed = {"metadata.name", "metadata.namespace", *supported(kind), *selectable}
    for requirement in selector.requirements:
        if requirement.field not in allowed:
            raise SelectorError(f"field label not supported: {requirement.field}")


def values(kind: Kind, obj: Mapping[str, Any], selector: FieldSelector) -> dict[str, str]:
    """The values of the fields that `selector` asks for, as text."""
    defaults = _FIELDS.get((kind.group, kind.kind), {})
    found: dict[str, str] = {}
    for requirement in selector.requirements:
        field = requirement.field
        computed = _COMPUTED.get((kind.group, kind.kind, field))
        value = computed(obj) if computed else _lookup(obj, field)
        found[field] = defaults.get(field, "") if value is None else _text(value)
    return found


def matches(kind: Kind, obj: Mapping[str, Any], selector: FieldSelector) -> bool:
    """Whether an object has the fields a selector asks for."""
    return selector.empty or selector.matches(values(kind, obj, selector))


def _lookup(obj: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(obj, Mapping):
            return None
        obj = obj.get(part)
    return obj


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
