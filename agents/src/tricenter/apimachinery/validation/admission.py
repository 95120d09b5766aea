"""Rules of what configures admission (pkg/apis/admissionregistration/validation): webhooks, policies and bindings."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from tricenter.apimachinery import cel, fielderrors, names
from tricenter.apimachinery.cel.variables import ADMISSION, WEBHOOK
from tricenter.apimachinery.validation.rules import (
    Errors,
    Object,
    each,
    named,
    one_of,
    required,
    required_name,
    selector,
    sub,
    unique,
)

_MAX_TIMEOUT = 30
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_VERSIONS = ("v1", "v1beta1")
_ACTIONS = ("Audit", "Deny", "Warn")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_MAX_CONDITIONS, _MAX_ANNOTATIONS = 64, 20
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_ANY = "'*' is present, must not specify other"


def webhooks(obj: Object) -> Errors:
    """MutatingWebhookConfiguration and ValidatingWebhookConfiguration."""
    for where, webhook in each(obj, "webhooks", ""):
        yield from _webhook(webhook, where.removeprefix("."))
    yield from unique((f"webhooks[{i}].name", w.get("name")) for i, w in enumerate(obj.get("webhooks") or ()))


def _webhook(webhook: Object, where: str) -> Errors:
    name = str(webhook.get("name", ""))
    if not name:
        yield fielderrors.required(f"{where}.name")
    elif name.count(".") < 2:
        detail = "should be a domain with at least three segments separated by dots"
        yield fielderrors.invalid(f"{where}.name", name, detail)
    else:
        yield from named(names.dns_subdomain, name, f"{where}.name")
    yield from _client(sub(webhook, "clientConfig"), f"{where}.clientConfig")
    yield from required(webhook, "sideEffects", where, "must specify one of None, NoneOnDryRun")
    if webhook.get("sideEffects"):
        yield from one_of(webhook, "sideEffects", where, ("None", "NoneOnDryRun"))
    yield from _review_versions(webhook.get("admissionReviewVersions") or [], f"{where}.admissionReviewVersions")
    yield from one_of(webhook, "failurePolicy", where, ("Fail", "Ignore"))
    yield from one_of(webhook, "matchPolicy", where, ("Equivalent", "Exact"))
    yield from one_of(webhook, "reinvocationPolicy", where, ("IfNeeded", "Never"))
    timeout = webhook.get("timeoutSeconds", 10)
    if not 1 <= timeout <= _MAX_TIMEOUT:
        detail = "the timeout value must be between 1 and 30 seconds"
        yield fielderrors.invalid(f"{where}.timeoutSeconds", timeout, detail)
    for key in ("namespaceSelector", "objectSelector"):
        yield from selector(webhook.get(key), f"{where}.{key}")
    for path, rule in each(webhook, "rules", where):
        yield from _rule(rule, path)
    yield from _conditions(webhook, where, WEBHOOK)


def _client(config: Object, where: str) -> Errors:
    """How a webhook is reached (k8s.io/apiserver/pkg/util/webhook/validation.go)."""
    url, service = config.get("url"), config.get("service")
    if bool(url) == bool(service):
        yield fielderrors.required(where, "exactly one of url or service is required")
    elif url:
        yield from _url(str(url), f"{where}.url")
    elif isinstance(service, dict):
        for key in ("name", "namespace"):
            yield from required(service, key, f"{where}.service", f"service {key} is required")
        port = service.get("port", 443)
        if not 0 < port < 1 << 16:
            detail = "port is not valid: must be between 1 and 65535, inclusive"
            yield fielderrors.invalid(f"{where}.service.port", port, detail)
        yield from _path(str(service.get("path") or ""), f"{where}.service.path")


def _url(url: str, where: str) -> Errors:
    form = "; desired format: https://host[/path]"
    parts = urlsplit(url)
    if parts.scheme != "https":
        yield fielderrors.invalid(where, url, f"'https' is the only allowed URL scheme{form}")
    if not parts.hostname:
        yield fielderrors.invalid(where, url, f"host must be specified{form}")
    if parts.username or parts.password:
        yield fielderrors.invalid(where, url, "user information is not permitted in the URL")
    if parts.fragment:
        yield fielderrors.invalid(where, url, "fragments are not permitted in the URL")
    if parts.query:
        yield fielderrors.invalid(where, url, "query parameters are not permitted in the URL")


def _path(path: str, where: str) -> Errors:
    if not path or path == "/":
        return
    if not path.startswith("/"):
        yield fielderrors.invalid(where, path, "must start with a '/'")
        return
    for index, step in enumerate(path.removeprefix("/").removesuffix("/").split("/")):
        if not step:
            yield fielderrors.invalid(where, path, f"segment[{index}] may not be empty")
        else:
            for problem in names.dns_subdomain(step):
                yield fielderrors.invalid(where, path, f"segment[{index}]: {problem}")


def _review_versions(versions: Sequence[Any], where: str) -> Errors:
    if not versions:
        yield fielderrors.required(where, f"must specify one of {', '.join(_VERSIONS)}")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield fielderrors.invalid(f"{where}[{index}]", version, "duplicate version")
        else:
            yield from named(names.dns_label_1035, version, f"{where}[{index}]")
    if not set(versions) & set(_VERSIONS):
        yield fielderrors.invalid(where, versions, f"must include at least one of {', '.join(_VERSIONS)}")


def _rule(rule: Object, where: str) -> Errors:
    operations = rule.get("operations") or []
    yield from required(rule, "operations", where)
    if len(operations) > 1 and "*" in operations:
        yield fielderrors.invalid(f"{where}.operations", operations, f"if {_ANY} operations")
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            yield fielderrors.not_supported(f"{where}.operations[{index}]", operation, _OPERATIONS)
    for key, what in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        found = rule.get(key) or []
        yield from required(rule, key, where)
        if len(found) > 1 and "*" in found:
            yield fielderrors.invalid(f"{where}.{key}", found, f"if {_ANY} {what}")
    for index, version in enumerate(rule.get("apiVersions") or ()):
        if not version:
            yield fielderrors.required(f"{where}.apiVersions[{index}]")
    yield from _resources(rule.get("resources") or [], f"{where}.resources")
    yield from one_of(rule, "scope", where, _SCOPES)


def _resources(resources: Sequence[str], where: str) -> Errors:
    if not resources:
        yield fielderrors.required(where)
    for index, text in enumerate(resources):
        resource, slash, subresource = text.partition("/")
        before = resources[:index]
        if not text:
            yield fielderrors.required(f"{where}[{index}]")
        if slash and f"{resource}/*" in before:
            yield fielderrors.invalid(
                f"{where}[{index}]", text, f"if '{resource}/*' is present, must not specify {text}"
            )
        if slash and f"*/{subresource}" in before:
            yield fielderrors.invalid(
                f"{where}[{index}]", text, f"if '*/{subresource}' is present, must not specify {text}"
            )
    if len(resources) > 1 and "*/*" in resources:
        yield fielderrors.invalid(where, resources, "if '*/*' is present, must not specify other resources")
    if "*" in resources and any("/" not in text and text != "*" for text in resources):
        yield fielderrors.invalid(where, resources, f"if {_ANY} resources without subresources")


def _conditions(obj: Object, where: str, variables: Mapping[str, str]) -> Errors:
    conditions = obj.get("matchConditions") or ()
    if len(conditions) > _MAX_CONDITIONS:
        yield fielderrors.too_many(f"{where}.matchConditions", len(conditions), _MAX_CONDITIONS)
    for path, condition in each(obj, "matchConditions", where):
        yield from _expression(condition, "expression", path, variables, returns="bool")
        yield from required_name(condition, "name", path, names.qualified_name)
    yield from unique(
        (f"{where}.matchConditions[{index}].name", item.get("name")) for index, item in enumerate(conditions)
    )


def _expression(
    obj: Object, key: str, where: str, variables: Mapping[str, str], *, returns: str = "", missing: str = ""
) -> Errors:
    """The expression must be there and compile to a value of the type."""
    text = str(obj.get(key) or "")
    if not text.strip():
        yield fielderrors.required(f"{where}.{key}", missing)
        return
    try:
        cel.compile(text, variables, returns)
    except cel.CompileError as error:
        yield fielderrors.invalid(f"{where}.{key}", text, str(error))


# --- policies ---


def policy(obj: Object) -> Errors:
    """ValidatingAdmissionPolicy."""
    spec = sub(obj, "spec")
    variables = dict(ADMISSION)
    if not spec.get("paramKind"):
        del variables["params"]
    yield from required(spec, "failurePolicy", "spec")
    yield from one_of(spec, "failurePolicy", "spec", ("Fail", "Ignore"))
    if isinstance(spec.get("paramKind"), dict):
        yield from _param_kind(spec["paramKind"])
    if spec.get("matchConstraints") is None:
        yield fielderrors.required("spec.matchConstraints")
    else:
        yield from _match_resources(sub(spec, "matchConstraints"), "spec.matchConstraints")
        yield from required(sub(spec, "matchConstraints"), "resourceRules", "spec.matchConstraints")
    yield from _conditions(spec, "spec", {name: kind for name, kind in variables.items() if name != "variables"})
    for path, variable in each(spec, "variables", "spec"):
        yield from _variable(variable, path, variables)
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        for key in ("validations", "auditAnnotations"):
            yield fielderrors.required(f"spec.{key}", "validations or auditAnnotations must contain at least one item")
    for path, validation in each(spec, "validations", "spec"):
        yield from _validation(validation, path, variables)
    yield from _annotations(spec, str(sub(obj, "metadata").get("name", "")), variables)


def _param_kind(kind: Object) -> Errors:
    where = "spec.paramKind"
    yield from required(kind, "apiVersion", where)
    if kind.get("apiVersion"):
        group, _, version = str(kind["apiVersion"]).rpartition("/")
        if group:
            yield from named(names.dns_subdomain, group, f"{where}.apiVersion")
        yield from named(names.dns_label_1035, version, f"{where}.apiVersion")
    yield from required(kind, "kind", where)
    for problem in names.dns_label_1035(str(kind.get("kind") or "a").lower()):
        detail = f"may have mixed case, but should otherwise match: {problem}"
        yield fielderrors.invalid(f"{where}.kind", kind["kind"], detail)


def _match_resources(match: Object, where: str) -> Errors:
    yield from one_of(match, "matchPolicy", where, ("Equivalent", "Exact"))
    for key in ("namespaceSelector", "objectSelector"):
        yield from selector(match.get(key), f"{where}.{key}")
    for key in ("resourceRules", "excludeResourceRules"):
        for path, rule in each(match, key, where):
            for index, name in enumerate(rule.get("resourceNames") or ()):
                yield from named(names.path_segment, name, f"{path}.resourceNames[{index}]")
            yield from unique(
                (f"{path}.resourceNames[{index}]", name) for index, name in enumerate(rule.get("resourceNames") or ())
            )
            yield from _rule(rule, path)


def _variable(variable: Object, where: str, variables: Mapping[str, str]) -> Errors:
    name = str(variable.get("name") or "")
    if not name.strip():
        yield fielderrors.required(f"{where}.name", "name is not specified")
    elif not _IDENTIFIER.fullmatch(name):
        yield fielderrors.invalid(f"{where}.name", name, "name is not a valid CEL identifier")
    yield from _expression(variable, "expression", where, variables, missing="expression is not specified")


def _validation(validation: Object, where: str, variables: Mapping[str, str]) -> Errors:
    yield from _expression(
        validation, "expression", where, variables, returns="bool", missing="expression is not specified"
    )
    text = validation.get("messageExpression")
    if text and not text.strip():
        yield fielderrors.invalid(f"{where}.messageExpression", text, "must be non-empty if specified")
    elif text:
        known = {name: kind for name, kind in variables.items() if name != "authorizer"}
        yield from _expression(validation, "messageExpression", where, known, returns="string")
    message = validation.get("message") or ""
    if message and not message.strip():
        yield fielderrors.invalid(f"{where}.message", message, "message must be non-empty if specified")
    elif "\n" in message.strip() or "\r" in message.strip():
        yield fielderrors.invalid(f"{where}.message", message, "message must not contain line breaks")
    yield from one_of(validation, "reason", where, _REASONS)


def _annotations(spec: Object, name: str, variables: Mapping[str, str]) -> Errors:
    annotations = spec.get("auditAnnotations") or []
    where = "spec.auditAnnotations"
    if len(annotations) > _MAX_ANNOTATIONS:
        yield fielderrors.invalid(where, annotations, f"must not have more than {_MAX_ANNOTATIONS} auditAnnotations")
    for path, annotation in each(spec, "auditAnnotations", "spec"):
        yield from named(names.qualified_name, f"{name}/{annotation.get('key', '')}", f"{path}.key")
        yield from _expression(
            annotation, "valueExpression", path, variables, missing="valueExpression is not specified"
        )
    yield from unique((f"{where}[{index}].key", item.get("key")) for index, item in enumerate(annotations))


# --- bindings ---


def binding(obj: Object) -> Errors:
    """ValidatingAdmissionPolicyBinding."""
    spec = sub(obj, "spec")
    yield from required_name(spec, "policyName", "spec", names.dns_subdomain)
    if isinstance(spec.get("paramRef"), dict):
        yield from _param_ref(spec["paramRef"])
    yield from _match_resources(sub(spec, "matchResources"), "spec.matchResources")
    yield from _actions(spec.get("validationActions") or [])


def _param_ref(reference: Object) -> Errors:
    where, name, labels = "spec.paramRef", reference.get("name"), reference.get("selector")
    if name:
        yield from named(names.path_segment, name, f"{where}.name")
        if labels is not None:
            yield fielderrors.forbidden(f"{where}.name", "name and selector are mutually exclusive")
    elif labels is None:
        yield fielderrors.required(where, "one of name or selector must be specified")
    else:
        yield from selector(labels, f"{where}.selector")
    yield from required(reference, "parameterNotFoundAction", where)
    yield from one_of(reference, "parameterNotFoundAction", where, ("Allow", "Deny"))


def _actions(actions: Iterable[str]) -> Errors:
    found = list(actions)
    where = "spec.validationActions"
    if not found:
        yield fielderrors.required(where, "at least one validation action is required")
    for index, action in enumerate(found):
        if action not in _ACTIONS:
            yield fielderrors.not_supported(f"{where}[{index}]", action, _ACTIONS)
        if action in found[:index]:
            yield fielderrors.duplicate(f"{where}[{index}]", action)
    if {"Deny", "Warn"} <= set(found):
        detail = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the API "
            "response and headers serves no purpose)"
        )
        yield fielderrors.invalid(where, found, detail)
