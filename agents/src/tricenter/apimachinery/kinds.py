"""What the API serves: one record per kind, with the names, verbs, subresources and place in etcd upstream gives it.

The OpenAPI definitions know neither plurals nor verbs nor short names; these are facts of upstream's discovery
documents at level 1.33 (GA and default-on APIs) and live in `builtin`.
"""

from collections.abc import Mapping
from typing import Any

from tricenter.apimachinery import builtin
from tricenter.apimachinery.records import Kind, Subresource

__all__ = ["BUILTIN", "Kind", "Subresource", "by_kind", "by_resource", "groups", "of_object"]

BUILTIN: tuple[Kind, ...] = builtin.kinds()
_BY_RESOURCE = {(kind.group, kind.version, kind.plural): kind for kind in BUILTIN}
_BY_KIND = {(kind.group, kind.version, kind.kind): kind for kind in BUILTIN}


def by_resource(group: str, version: str, plural: str) -> Kind | None:
    """The built-in kind served under this plural, or None."""
    return _BY_RESOURCE.get((group, version, plural))


def by_kind(group: str, version: str, kind: str) -> Kind | None:
    """The built-in kind of this name, or None."""
    return _BY_KIND.get((group, version, kind))


def of_object(obj: Mapping[str, Any]) -> Kind | None:
    """The built-in kind an object says it is of, or None."""
    group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
    return _BY_KIND.get((group, version, str(obj.get("kind", ""))))


def groups() -> dict[str, list[str]]:
    """Groups in upstream's discovery order (core first), each with its versions, the preferred one first."""
    found: dict[str, list[str]] = {}
    for kind in BUILTIN:
        versions = found.setdefault(kind.group, [])
        if kind.version not in versions:
            versions.append(kind.version)
    return found
