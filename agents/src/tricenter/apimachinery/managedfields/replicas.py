"""Who owns the replicas of a workload, told in terms of its Scale and back (util/managedfields/scalehandler.go).

A manager that applies a Scale owns the replicas of the workload behind it; what else anybody owns there is none of the
Scale's business.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tricenter.apimachinery.managedfields import entries, fieldset
from tricenter.apimachinery.managedfields.entries import Entry, Managers
from tricenter.apimachinery.managedfields.fieldset import LEAF, Node
from tricenter.apimachinery.records import Kind

SCALE = Kind(
    group="autoscaling", version="v1", kind="Scale", plural="scales", singular="scale", namespaced=True, verbs=(),
    definition="io.k8s.api.autoscaling.v1.Scale",
)  # fmt: skip
"""What the scale subresource of any kind takes."""

_IN_SCALE = ("spec", "replicas")

Path = Sequence[str]


def in_scale(encoded: list[Any] | None, path: Path) -> list[Any]:
    """`managedFields` of the Scale of an object whose replicas are at `path`."""
    found: Managers = {}
    for entry in entries.decode(encoded).values():
        if _owns(entry.fields, path):
            seen = replace(entry, api_version=SCALE.api_version, fields=_only(_IN_SCALE))
            found[seen.identity] = seen
    return entries.encode(found)


def in_parent(encoded: list[Any] | None, scale: list[Any] | None, path: Path, api_version: str) -> list[Any]:
    """`managedFields` of the object after its Scale was written with those of `scale`."""
    owners = {_who(entry): entry for entry in entries.decode(scale).values() if _owns(entry.fields, _IN_SCALE)}
    found: Managers = {}
    for identity, entry in entries.decode(encoded).items():
        kept = entry.fields
        if _owns(kept, path) and owners.pop(_who(entry), None) is None:
            kept = fieldset.difference(kept, _only(path))
        if kept:
            found[identity] = entry.owning(kept)
    for owner in owners.values():
        new = replace(owner, api_version=api_version, fields=_only(path))
        known = found.get(new.identity)
        found[new.identity] = new if known is None else new.owning(fieldset.union(known.fields, new.fields))
    return entries.encode(found)


def _who(entry: Entry) -> tuple[str, str, str]:
    return entry.manager, entry.operation, entry.subresource


def _owns(fields: Node, path: Path) -> bool:
    node: Node | None = fields
    for name in path:
        node = None if node is None else node.get(f"f:{name}")
    return node is not None and fieldset.is_member(node)


def _only(path: Path) -> Node:
    node = LEAF
    for name in reversed(path):
        node = {f"f:{name}": node}
    return node
