"""Who makes a request: a client certificate, a service account's or a bootstrap token, or nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tricenter.apimachinery import names, times
from tricenter.apiserver import errors
from tricenter.apiserver.auth import subprotocol
from tricenter.apiserver.auth.bootstraptokens import BootstrapTokens
from tricenter.apiserver.auth.tokens import Claims, TokenError, Verifier, staleness
from tricenter.apiserver.auth.user import AUTHENTICATED, NOBODY, SERVICE_ACCOUNT_PREFIX, SERVICE_ACCOUNTS, User
from tricenter.apiserver.request import Request
from tricenter.apiserver.resources import Resources

_LEEWAY = timedelta(seconds=60)
_IMPERSONATE_USER = "Impersonate-User"

STALE = "authentication.k8s.io/stale-token"
"""Annotation of the audit events of requests whose token should have been renewed."""


class Authenticator:
    """Finds the user of a request."""

    def __init__(self, verifier: Verifier, resources: Resources) -> None:
        self._verifier = verifier
        self._bootstrap = BootstrapTokens(resources)
        self._accounts = resources["", "serviceaccounts"].objects
        self._pods = resources["", "pods"].objects
        self._secrets = resources["", "secrets"].objects
        self._nodes = resources["", "nodes"].objects

    def user(self, http: Request) -> User:
        """The user; a token that should have been renewed is noted. Raises Unauthorized for invalid credentials."""
        transport = http.transport
        certificate = transport.get_extra_info("peercert") if transport is not None else None
        if certificate:
            return of_certificate(certificate)
        try:
            token = _bearer(http)
            user, claims = self.of_any_token(token) if token else (NOBODY, {})
        except (TokenError, ValueError) as error:
            raise errors.Unauthorized("Unauthorized") from error
        late = staleness(claims)
        if late is not None:
            http.annotations[STALE] = f"subject: {claims['sub']}, seconds after warning threshold: {late}"
        return user

    def of_any_token(self, token: str, audiences: Sequence[str] = ()) -> tuple[User, Claims]:
        """The user of a bootstrap token (which has no claims) or of a service account's. Raises TokenError."""
        user = self._bootstrap.user(token)
        if user is None:
            return self.of_token(token, audiences)
        if audiences and self._verifier.audiences.isdisjoint(audiences):
            raise TokenError("the token is for another audience")
        return user, {}

    def of_token(self, token: str, audiences: Sequence[str] = ()) -> tuple[User, Claims]:
        """The user of a token and its claims. Raises TokenError."""
        claims = self._verifier.verify(token, audiences)
        bound: Mapping[str, Any] = claims.get("kubernetes.io") or {}
        namespace, account = bound.get("namespace", ""), bound.get("serviceaccount") or {}
        self._check(self._accounts.get(namespace, account.get("name", "")), account, "service account")
        extra: dict[str, tuple[str, ...]] = {}
        if claims.get("jti"):
            extra["authentication.kubernetes.io/credential-id"] = (f"JTI={claims['jti']}",)
        if pod := bound.get("pod"):
            self._check(self._pods.get(namespace, pod.get("name", "")), pod, "pod")
            extra["authentication.kubernetes.io/pod-name"] = (pod["name"],)
            extra["authentication.kubernetes.io/pod-uid"] = (pod["uid"],)
        if secret := bound.get("secret"):
            self._check(self._secrets.get(namespace, secret.get("name", "")), secret, "secret")
        if node := bound.get("node"):
            if not bound.get("pod"):
                # A pod's token only tells of its node; one that is bound to a node goes with it (KEP-4193).
                self._check(self._nodes.get("", node.get("name", "")), node, "node")
            extra["authentication.kubernetes.io/node-name"] = (node["name"],)
            if node.get("uid"):
                extra["authentication.kubernetes.io/node-uid"] = (node["uid"],)
        groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED)
        name = f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{account['name']}"
        return User(name, account.get("uid", ""), groups, extra), claims

    @staticmethod
    def _check(entry: Any, reference: Mapping[str, Any], what: str) -> None:
        if entry is None:
            raise TokenError(f"the {what} of the token does not exist any more")
        metadata = entry.load()["metadata"]
        if metadata.get("uid") != reference.get("uid"):
            raise TokenError(f"the {what} of the token does not exist any more")
        since = metadata.get("deletionTimestamp")
        # What is being deleted may still say good-bye (serviceaccount/claims.go).
        if since and times.parse(since) + _LEEWAY < times.now():
            raise TokenError(f"the {what} of the token has been deleted")


def _bearer(http: web.BaseRequest) -> str:
    """The token of a request, empty without one. Raises ValueError."""
    scheme, _, token = http.headers.get("Authorization", "").partition(" ")
    return token.strip() if token and scheme.lower() == "bearer" else subprotocol.token(http)


def of_certificate(certificate: Mapping[str, Any]) -> User:
    """The subject's common name is the user, its organisations are the groups. Raises Unauthorized."""
    return _of_subject(certificate.get("subject", ()))


@lru_cache(maxsize=4096)
def _of_subject(subject: tuple[tuple[tuple[str, str], ...], ...]) -> User:
    name, groups = "", []
    for relative in subject:
        for key, value in relative:
            if key == "commonName":
                name = value
            elif key == "organizationName":
                groups.append(value)
    if not name:
        raise errors.Unauthorized("Unauthorized")
    return User(name, groups=(*groups, AUTHENTICATED))


@dataclass(frozen=True)
class Impersonation:
    """Whom a request wants to act as."""

    user: User
    account: tuple[str, str] | None
    """Namespace and name of the service account that this is."""
    groups: tuple[str, ...]
    """Those of the user's groups that the request names: each needs leave; the others come with the user."""


def impersonated(http: web.BaseRequest) -> Impersonation | None:
    """Whom a request wants to act as, or None (endpoints/filters/impersonation.go). Raises BadRequest."""
    name = http.headers.get(_IMPERSONATE_USER, "")
    asked = tuple(http.headers.getall("Impersonate-Group", []))
    if any(not value.isprintable() for key, value in http.headers.items() if key.lower().startswith("impersonate-")):
        raise errors.BadRequest("what a header says of whom to impersonate is not UTF-8")
    extra: dict[str, list[str]] = {}
    for key, value in http.headers.items():
        if key.lower().startswith("impersonate-extra-"):
            # Characters that a header's name cannot have are written in percent (unescapeExtraKey).
            extra.setdefault(unquote(key[len("impersonate-extra-") :].lower()), []).append(value)
    uid = http.headers.get("Impersonate-Uid", "")
    if not name:
        if asked or extra or uid:
            raise errors.BadRequest("requested groups or extra without impersonating a user")
        return None
    account = _account(name)
    groups = asked
    if account is not None and not asked:
        groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{account[0]}")
    user = User(name, uid, _with_implied(name, groups), {key: tuple(values) for key, values in extra.items()})
    return Impersonation(user, account, asked)


def _account(name: str) -> tuple[str, str] | None:
    """Namespace and name of a service account from its user name; None for the name of anybody else."""
    parts = name.removeprefix(SERVICE_ACCOUNT_PREFIX).split(":")
    if not name.startswith(SERVICE_ACCOUNT_PREFIX) or len(parts) != 2:
        return None
    namespace, account = parts
    if names.dns_label(namespace) or names.dns_subdomain(account):
        return None
    return namespace, account


def _with_implied(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """Whoever is impersonated is somebody, or nobody, to the rules of access; groups that say so decide."""
    nobody = NOBODY.groups[0]
    if name == NOBODY.name:
        return groups if nobody in groups else (*groups, nobody)
    return groups if {nobody, AUTHENTICATED} & set(groups) else (*groups, AUTHENTICATED)
