"""Whether a request may be made: system:masters, the Node authoriser, then RBAC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tricenter.apiserver import errors
from tricenter.apiserver.auth.authenticate import Impersonation
from tricenter.apiserver.auth.node import NodeAuthorizer
from tricenter.apiserver.auth.rbac import Index, Request
from tricenter.apiserver.auth.user import MASTERS, User
from tricenter.apiserver.requestinfo import RequestInfo


@dataclass(frozen=True)
class Decision:
    """The answer and, where one exists, its reason."""

    allowed: bool
    reason: str = ""


class Authorizer:
    """Asks one authority after the other; the first that allows decides."""

    def __init__(self, rbac: Index, nodes: NodeAuthorizer) -> None:
        self.rbac = rbac
        self._nodes = nodes

    def reset(self) -> None:
        """Forget everything: the caches were read anew."""
        self.rbac.reset()
        self._nodes.reset()

    def decide(self, request: Request) -> Decision:
        """Whether the request is allowed."""
        if MASTERS in request.user.groups:
            return Decision(True)
        if request.user.node:
            allowed, reason = self._nodes.allows(request)
            if allowed:
                return Decision(True, reason)
            granted = self.rbac.reason(request)
            return Decision(bool(granted), granted or reason)
        granted = self.rbac.reason(request)
        return Decision(bool(granted), granted)

    def require(self, request: Request) -> None:
        """Raises Forbidden, worded as upstream's."""
        decision = self.decide(request)
        if not decision.allowed:
            raise denied(request, decision.reason)

    def require_impersonation(self, user: User, wanted: Impersonation) -> None:
        """Whether `user` may act as somebody else. Raises Forbidden."""
        for request in _impersonations(user, wanted):
            self.require(request)


def _impersonations(user: User, wanted: Impersonation) -> Iterator[Request]:
    """What has to be allowed: the user, each group that is named, the uid, each value of the extras."""
    base = Request(user=user, verb="impersonate")
    if wanted.account is not None:
        namespace, name = wanted.account
        yield replace(base, resource="serviceaccounts", namespace=namespace, name=name)
    else:
        yield replace(base, resource="users", name=wanted.user.name)
    for group in wanted.groups:
        yield replace(base, resource="groups", name=group)
    if wanted.user.uid:
        yield replace(base, group="authentication.k8s.io", resource="uids", name=wanted.user.uid)
    for key, values in wanted.user.extra.items():
        for value in values:
            yield replace(base, group="authentication.k8s.io", resource="userextras", subresource=key, name=value)


def of_info(user: User, info: RequestInfo) -> Request:
    """What a parsed request wants."""
    if not info.is_resource:
        return Request(user=user, verb=info.verb, path=info.path)
    return Request(
        user=user,
        verb=info.verb,
        group=info.group,
        version=info.version,
        resource=info.resource,
        subresource=info.subresource,
        name=info.name,
        namespace=info.namespace,
        selected=info.selected,
    )


def denied(request: Request, reason: str = "") -> errors.Forbidden:
    """`pods is forbidden: User "a" cannot list resource "pods" in API group "" in the namespace "b"`."""
    user = f'User "{request.user.name}"'
    if request.path:
        return errors.Forbidden(f'forbidden: {user} cannot {request.verb} path "{request.path}"')
    resource = f"{request.resource}/{request.subresource}" if request.subresource else request.resource
    scope = f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
    text = f'{user} cannot {request.verb} resource "{resource}" in API group "{request.group}" {scope}'
    target = errors.Target(group=request.group, resource=request.resource, name=request.name)
    return errors.forbidden(target, f"{text}: {reason}" if reason else text)
