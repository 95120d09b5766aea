"""What a request path and method ask for, as k8s.io/apiserver request.RequestInfo says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tricenter.apimachinery import names, selectors

_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, kw_only=True)
class RequestInfo:
    """A request for a resource, or (`resource` empty) for another path."""

    path: str
    verb: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    rest: str = ""
    """What follows the subresource, for proxied paths."""
    selected: tuple[tuple[str, str], ...] = ()
    """Fields that a list or watch wants to have one value; a name so given counts as the request's name."""

    @property
    def is_resource(self) -> bool:
        """Whether the path is one of a resource."""
        return bool(self.resource)


def parse(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Take a request apart; never fails: what is not a resource is a plain path with the method as its verb."""
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, parts = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return RequestInfo(path=path, verb=method.lower())
    old_watch = parts[0] == "watch" and len(parts) > 1
    if old_watch:
        parts = parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    resource, name, subresource, rest = (*parts[:3], *[""] * (3 - len(parts[:3])), "/".join(parts[3:]))
    verb = _verb(method, name, query, old_watch=old_watch)
    selected = _selected(query) if verb in ("list", "watch") and "fieldSelector" in query else ()
    return RequestInfo(
        path=path,
        verb=verb,
        group=group,
        version=version,
        namespace=namespace,
        resource=resource,
        subresource=subresource,
        name=name or _valid(dict(selected).get("metadata.name", "")),
        rest=rest,
        selected=selected,
    )


def _selected(query: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The fields that must have one value; none of a selector that cannot be read, which is refused later."""
    try:
        found = selectors.parse_fields(query["fieldSelector"]).requirements
    except selectors.SelectorError:
        return ()
    return tuple((item.field, item.value) for item in found if item.equal)


def _valid(name: str) -> str:
    return "" if names.path_segment(name) else name


def truth(text: str | None) -> bool:
    """A query parameter as a boolean: present and neither `false` nor `0`."""
    return text is not None and text.lower() not in ("false", "0")


def _verb(method: str, name: str, query: Mapping[str, str], *, old_watch: bool) -> str:
    if method in _VERBS:
        return _VERBS[method]
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    if method not in ("GET", "HEAD"):
        return method.lower()
    if old_watch or (not name and truth(query.get("watch"))):
        return "watch"
    return "get" if name else "list"
