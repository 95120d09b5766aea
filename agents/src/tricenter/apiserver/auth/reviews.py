"""Questions about users and permissions: SubjectAccessReview and its family, TokenReview, SelfSubjectReview."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from aiohttp import web

from tricenter.apimachinery import fielderrors, names, times
from tricenter.apimachinery.fielderrors import FieldError
from tricenter.apimachinery.validation import rules
from tricenter.apiserver import errors
from tricenter.apiserver.auth.authenticate import Authenticator
from tricenter.apiserver.auth.authorize import Authorizer
from tricenter.apiserver.auth.rbac import Request, Rule
from tricenter.apiserver.auth.tokens import TokenError
from tricenter.apiserver.auth.user import MASTERS, User
from tricenter.apiserver.config import Config
from tricenter.apiserver.registry import fieldcheck
from tricenter.apiserver.rest import answers, bodies
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.router import Handler, Special

Object = dict[str, Any]

_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"


class Reviews:
    """Answers reviews; nothing of them is stored."""

    def __init__(self, config: Config, authenticator: Authenticator, authorizer: Authorizer) -> None:
        self._config = config
        self._authenticator = authenticator
        self._authorizer = authorizer

    def special(self) -> dict[Special, Handler]:
        """Handlers by resource."""
        return {
            (_AUTHORIZATION, "selfsubjectaccessreviews", "create", ""): self.self_access,
            (_AUTHORIZATION, "subjectaccessreviews", "create", ""): self.access,
            (_AUTHORIZATION, "localsubjectaccessreviews", "create", ""): self.access,
            (_AUTHORIZATION, "selfsubjectrulesreviews", "create", ""): self.self_rules,
            (_AUTHENTICATION, "selfsubjectreviews", "create", ""): self.self_subject,
            (_AUTHENTICATION, "tokenreviews", "create", ""): self.token,
        }

    async def _body(self, call: Call) -> Object:
        raw = await bodies.read(call.http, self._config.max_body_bytes)
        obj = bodies.as_object(
            await bodies.parse(raw, bodies.media_type(call.http), wanted=call.resource.kind.kind), call.resource
        )
        fieldcheck.check(call, obj)
        # Only what has a wrong type is refused here; what is missing, each review knows better.
        fieldcheck.check_types(call, obj, call.resource.kind.definition)
        obj["spec"] = obj.get("spec") or {}
        return obj

    async def self_access(self, call: Call) -> web.StreamResponse:
        """May I?"""
        obj = await self._body(call)
        _refuse(call, [*_attributes(obj["spec"]), *_nameless(obj["metadata"])])
        return self._decided(obj, call.user)

    async def access(self, call: Call) -> web.StreamResponse:
        """May they?"""
        obj = await self._body(call)
        spec = obj["spec"]
        namespace = call.info.namespace
        _refuse(call, [*_attributes(spec), *_subject(spec), *_nameless(obj["metadata"], namespaced=bool(namespace))])
        extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
        user = User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()), extra)
        if namespace and (spec.get("resourceAttributes") or {}).get("namespace") != namespace:
            raise errors.BadRequest(f"spec.resourceAttributes.namespace must match namespace: {namespace}")
        return self._decided(obj, user)

    def _decided(self, obj: Object, user: User) -> web.StreamResponse:
        decision = self._authorizer.decide(_request(user, obj["spec"]))
        obj["status"] = {"allowed": decision.allowed}
        if decision.reason:
            obj["status"]["reason"] = decision.reason
        return _answered(obj)

    async def self_rules(self, call: Call) -> web.StreamResponse:
        """What may I do in a namespace?"""
        obj = await self._body(call)
        namespace = obj["spec"].get("namespace", "")
        if not namespace:
            raise errors.BadRequest("no namespace on request")
        rules = list(self._authorizer.rbac.rules(call.user, namespace))
        if MASTERS in call.user.groups:
            rules.append(Rule.of({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}))
            rules.append(Rule.of({"verbs": ["*"], "nonResourceURLs": ["*"]}))
        written = [rule.as_dict() for rule in rules]
        obj["status"] = {
            "resourceRules": [rule for rule in written if "nonResourceURLs" not in rule],
            "nonResourceRules": [rule for rule in written if "nonResourceURLs" in rule],
            "incomplete": bool(call.user.node),
        }
        return _answered(obj)

    async def self_subject(self, call: Call) -> web.StreamResponse:
        """Who am I?"""
        obj = await self._body(call)
        obj.pop("spec", None)
        obj["metadata"]["creationTimestamp"] = times.now_rfc3339()
        obj["status"] = {"userInfo": call.user.info()}
        return _answered(obj)

    async def token(self, call: Call) -> web.StreamResponse:
        """Whose token is this?"""
        obj = await self._body(call)
        if not obj["spec"].get("token"):
            raise errors.BadRequest("token is required for TokenReview in authentication")
        audiences = obj["spec"].get("audiences") or ()
        try:
            user, claims = self._authenticator.of_any_token(obj["spec"].get("token", ""), audiences)
        except TokenError as error:
            obj["status"] = {"authenticated": False, "user": {}, "error": str(error)}
            return _answered(obj)
        named = claims.get("aud", [self._config.service_account_issuer])
        given = named if isinstance(named, list) else [named]
        matching = [audience for audience in given if not audiences or audience in audiences]
        obj["status"] = {"authenticated": True, "user": user.info(), "audiences": matching}
        return _answered(obj)


def _attributes(spec: Object) -> Iterator[FieldError]:
    """A review is about a resource or about a path (apis/authorization/validation)."""
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and other is not None:
        text = "cannot be specified in combination with resourceAttributes"
        yield fielderrors.invalid("spec.nonResourceAttributes", other, text)
    if resource is None and other is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield fielderrors.invalid("spec.resourceAttributes", None, text)
    for name in ("fieldSelector", "labelSelector"):
        if (selector := (resource or {}).get(name)) is not None:
            yield from _selector(selector, f"spec.resourceAttributes.{name}", labels=name == "labelSelector")


def _selector(selector: Object, path: str, *, labels: bool) -> Iterator[FieldError]:
    """A text, or requirements whose operators may be newer than this server."""
    raw, requirements = selector.get("rawSelector"), selector.get("requirements")
    if raw and requirements:
        text = "may not specified at the same time as requirements"
        yield fielderrors.invalid(f"{path}.rawSelector", raw, text)
    if not raw and not requirements:
        text = f"when {path} is specified, requirements or rawSelector is required"
        yield fielderrors.required(f"{path}.requirements", text)
    for where, requirement in rules.each(selector, "requirements", path):
        key = requirement.get("key", "")
        if not labels and not key:
            yield fielderrors.required(f"{where}.key", "must be specified")
        yield from rules.requirement(requirement, where, newer=True)
        if labels:
            yield from rules.named(names.qualified_name, key, f"{where}.key")


def _nameless(metadata: Object, *, namespaced: bool = False) -> Iterator[FieldError]:
    """A review is no object: it has no name, nor anything else of its own."""
    left = {key: value for key, value in metadata.items() if key != "managedFields" and value}
    if namespaced:
        left.pop("namespace", None)
    if left:
        detail = "must be empty except for namespace" if namespaced else "must be empty"
        yield fielderrors.invalid("metadata", metadata, detail)


def _subject(spec: Object) -> Iterator[FieldError]:
    if not spec.get("user") and not spec.get("groups"):
        yield fielderrors.invalid("spec.user", spec.get("user", ""), "at least one of user or group must be specified")


def _refuse(call: Call, problems: Iterable[FieldError]) -> None:
    found = list(problems)
    if found:
        kind = call.resource.kind
        raise errors.invalid(errors.Target(group=kind.group, kind=kind.kind), found)


def _request(user: User, spec: Object) -> Request:
    """What a review's spec asks about."""
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is None:
        other = other or {}
        return Request(user=user, verb=other.get("verb", ""), path=other.get("path", ""))
    return Request(
        user=user,
        verb=resource.get("verb", ""),
        group=resource.get("group", ""),
        version=resource.get("version", ""),
        resource=resource.get("resource", ""),
        subresource=resource.get("subresource", ""),
        name=resource.get("name", ""),
        namespace=resource.get("namespace", ""),
    )


def _answered(obj: Object) -> web.StreamResponse:
    obj["metadata"].setdefault("creationTimestamp", None)
    return answers.json(obj, code=201)
