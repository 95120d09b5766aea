"""The downward API: what a pod may know about itself (core/v1 ObjectFieldSelector, ResourceFieldSelector)."""

import base64
import re
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from tricenter.apimachinery import quantity

Object = dict[str, Any]

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the node adds to a pod's own fields."""

    node_name: str
    host_addresses: tuple[str, ...]
    pod_addresses: tuple[str, ...] = ()
    allocatable: dict[str, str] = dataclass_field(default_factory=dict)


def field(pod: Object, path: str, context: Context) -> str:
    """The text of a field; an absent one is empty. Raises KeyError for a field that cannot be referred to."""
    metadata = pod["metadata"]
    if match := _SUBSCRIPT.fullmatch(path):
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    simple = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata.get("namespace", "default"),
        "metadata.uid": metadata["uid"],
        "metadata.labels": _lines(metadata.get("labels")),
        "metadata.annotations": _lines(metadata.get("annotations")),
        "spec.nodeName": context.node_name,
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.hostIP": next(iter(context.host_addresses), ""),
        "status.hostIPs": ",".join(context.host_addresses),
        "status.podIP": next(iter(context.pod_addresses), ""),
        "status.podIPs": ",".join(context.pod_addresses),
    }
    return str(simple[path])


def resource(pod: Object, container: Object, selector: Object, context: Context) -> str:
    """A request or limit in units of the selector's divisor, rounded up; without a limit the node's allocatable."""
    if selector.get("containerName"):
        every = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
        container = next(item for item in every if item["name"] == selector["containerName"])
    section, name = selector["resource"].split(".", 1)
    resources = container.get("resources") or {}
    value = (resources.get(section) or {}).get(name)
    if value is None and section == "limits":
        value = context.allocatable.get(name)
    divisor = quantity.parse(selector.get("divisor") or "1") or quantity.parse("1")
    return str(quantity.to_int(quantity.parse(value or "0") / divisor))


def secret_bytes(secret: Object) -> dict[str, bytes]:
    """The decoded data of a Secret."""
    return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}


def _lines(values: dict[str, str] | None) -> str:
    return "\n".join(f"{key}={_quoted(values[key])}" for key in sorted(values)) if values else ""


def _quoted(value: str) -> str:
    """The value in Go's quotes, as upstream's fieldpath.FormatMap writes it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
