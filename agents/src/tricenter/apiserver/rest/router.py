"""From a request for a resource to the code that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from tricenter.apiserver import errors
from tricenter.apiserver.rest.call import Call

Handler = Callable[[Call], Awaitable[web.StreamResponse]]
Route = tuple[str, str]
"""Verb and subresource."""

_ONE_PLACE = ("create", "update", "patch")
"""Verbs that need a name, and the one that must not have any."""

Special = tuple[str, str, str, str]
"""Group, plural, verb and subresource."""


class Router:
    """General handlers by verb and subresource, special ones by resource too."""

    def __init__(self, general: Mapping[Route, Handler], special: Mapping[Special, Handler]) -> None:
        self._general = general
        self._special = special

    def handler(self, call: Call) -> Handler:
        """The handler of a request. Raises NotFound, MethodNotAllowed."""
        info, kind = call.info, call.resource.kind
        if call.http.method == "HEAD" and kind.structural is None and info.subresource != "proxy":
            # Upstream registers no HEAD routes for built-in resources, while custom resources go by the verb alone.
            raise _not_allowed(call)
        special = self._special.get((kind.group, kind.plural, info.verb, info.subresource))
        if special is not None:
            return special
        if kind.closing and info.verb == "create":
            text = "create not allowed while custom resource definition is terminating"
            raise errors.MethodNotAllowed(text, call.target)
        if info.subresource:
            subresource = kind.subresource(info.subresource)
            if subresource is None:
                raise errors.unknown_path()
            allowed = subresource.verbs
        else:
            allowed = kind.verbs
        handler = self._general.get((info.verb, info.subresource))
        misplaced = not info.subresource and bool(info.name) == (info.verb == "create") and info.verb in _ONE_PLACE
        if misplaced or info.verb not in allowed or handler is None or kind.storage_prefix is None:
            raise _not_allowed(call)
        return handler


def _not_allowed(call: Call) -> errors.MethodNotAllowed:
    return errors.MethodNotAllowed("the server does not allow this method on the requested resource", call.target)
