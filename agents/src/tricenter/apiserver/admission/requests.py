"""A request as webhooks and expressions see it: admission.k8s.io/v1 AdmissionRequest, in the version they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tricenter.apimachinery import copies
from tricenter.apimachinery.records import Kind
from tricenter.apiserver.admission.chain import CONNECT, CREATE, DELETE, UPDATE, Attributes
from tricenter.apiserver.registry import conversion
from tricenter.apiserver.resources import Resource
from tricenter.apiserver.rest import scaling

Object = dict[str, Any]

_OPTIONS = {CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions"}
_SYSTEM_FIELDS = (
    "name", "namespace", "uid", "creationTimestamp", "resourceVersion", "generation", "deletionTimestamp",
    "deletionGracePeriodSeconds", "managedFields",
)  # fmt: skip
"""What no webhook changes."""


@dataclass(frozen=True)
class View:
    """A request taken as one for `resource`, an equivalent of the one that was asked for."""

    attributes: Attributes
    resource: Resource
    obj: Object | None
    old: Object | None


def view(attributes: Attributes, resource: Resource) -> View:
    """The request with its objects in the version of a resource."""
    if attributes.operation == CONNECT:
        options = {key: value for key, value in attributes.obj.items() if key != "metadata"}
        return View(attributes, resource, options, None)
    obj = None if attributes.operation == DELETE else _shown(attributes, attributes.obj, resource)
    old = None if attributes.old is None else _shown(attributes, attributes.old, resource)
    return View(attributes, resource, obj, old)


def _shown(attributes: Attributes, obj: Object, resource: Resource) -> Object:
    own = attributes.call.resource
    if attributes.subresource == "scale":
        return scaling.of(own.kind, obj)
    if resource.kind is own.kind:
        return obj
    return conversion.to_served(resource, copies.deep(conversion.to_stored(own, obj)))


def take(seen: View, changed: Object) -> bool:
    """Put a changed object of a view into the request in place; whether that made a difference."""
    attributes = seen.attributes
    obj, own = attributes.obj, attributes.call.resource
    if attributes.subresource == "scale":
        before = scaling.of(own.kind, obj)
        scaling.scaled(own.kind, obj, changed, attributes.target)
        return before != scaling.of(own.kind, obj)
    if seen.resource.kind is not own.kind:
        changed = conversion.to_served(own, copies.deep(conversion.to_stored(seen.resource, changed)))
    kept = {key: value for key, value in changed.get("metadata", {}).items() if key not in _SYSTEM_FIELDS}
    if not obj["metadata"].get("name") and changed["metadata"].get("name"):
        # A name that the server would generate is anybody's to give before.
        kept["name"] = changed["metadata"]["name"]
    fixed = {key: obj["metadata"][key] for key in _SYSTEM_FIELDS if key in obj["metadata"]}
    changed = {**changed, "metadata": {**kept, **fixed}}
    if changed == obj:
        return False
    obj.clear()
    obj.update(changed)
    return True


def request(seen: View) -> Object:
    """The AdmissionRequest without `uid`, `object` and `oldObject`."""
    attributes, call = seen.attributes, seen.attributes.call
    own = call.resource
    found: Object = {
        "kind": _kind(seen.resource.kind, attributes.subresource),
        "resource": _resource(seen.resource.kind),
        "subResource": attributes.subresource,
        "requestKind": _kind(own.kind, attributes.subresource),
        "requestResource": _resource(own.kind),
        "requestSubResource": attributes.subresource,
        "name": attributes.name,
        "namespace": attributes.namespace,
        "operation": attributes.operation,
        "userInfo": call.user.info(),
        "dryRun": call.dry_run,
        "options": _options(attributes),
    }
    return {key: value for key, value in found.items() if value not in ("", None)}


def _kind(kind: Kind, subresource: str) -> Object:
    """The kind of what is sent: that of the subresource where it has one of its own."""
    own = next((item for item in kind.subresources if item.name == subresource), None)
    if own is not None:
        return {"group": own.group, "version": own.version, "kind": own.kind}
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _resource(kind: Kind) -> Object:
    return {"group": kind.group, "version": kind.version, "resource": kind.plural}


def _options(attributes: Attributes) -> Object | None:
    kind = _OPTIONS.get(attributes.operation)
    if kind is None:
        return None
    call = attributes.call
    found: Object = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    if call.dry_run:
        found["dryRun"] = ["All"]
    if attributes.operation != DELETE:
        found |= {key: call.query[key] for key in ("fieldManager", "fieldValidation") if call.query.get(key)}
    return found
