"""Rules of kinds that extend the API: APIService, admission configuration."""

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import Errors, Object, each, named, one_of, required, selector, sub, unique

_MAX_TIMEOUT = 30


def api_service(obj: Object) -> Errors:
    """apiregistration.k8s.io/v1 APIService."""
    spec, name = sub(obj, "spec"), str(sub(obj, "metadata").get("name", ""))
    expected = f"{spec.get('version', '')}.{spec.get('group', '')}"
    if name != expected:
        yield fielderrors.invalid("metadata.name", name, 'must be `spec.version+"."+spec.group`: ' + repr(expected))
    for key, high in (("groupPriorityMinimum", 20_000), ("versionPriority", 1000)):
        value = spec.get(key, 0)
        if not 0 < value <= high:
            yield fielderrors.invalid(f"spec.{key}", value, f"must be positive and less than {high}")
    service = spec.get("service")
    if service is None:
        if spec.get("caBundle"):
            yield fielderrors.invalid("spec.caBundle", "", "local APIServices may not have a caBundle")
        return
    for key in ("namespace", "name"):
        yield from required(service, key, "spec.service")
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        detail = "may not be true if caBundle is present"
        yield fielderrors.invalid("spec.insecureSkipTLSVerify", True, detail)


def webhooks(obj: Object) -> Errors:
    """MutatingWebhookConfiguration and ValidatingWebhookConfiguration."""
    for index, webhook in enumerate(obj.get("webhooks") or ()):
        where = f"webhooks[{index}]"
        name = str(webhook.get("name", ""))
        if name.count(".") < 2:
            detail = "should be a domain with at least three segments separated by dots"
            yield fielderrors.invalid(f"{where}.name", name, detail)
        else:
            yield from named(names.dns_subdomain, name, f"{where}.name")
        config = sub(webhook, "clientConfig")
        if bool(config.get("url")) == bool(config.get("service")):
            yield fielderrors.required(f"{where}.clientConfig", "exactly one of url or service is required")
        yield from required(webhook, "sideEffects", where, "must specify one of None, NoneOnDryRun")
        if webhook.get("sideEffects"):
            yield from one_of(webhook, "sideEffects", where, ("None", "NoneOnDryRun"))
        yield from required(webhook, "admissionReviewVersions", where, "must specify one of v1, v1beta1")
        yield from one_of(webhook, "failurePolicy", where, ("Fail", "Ignore"))
        yield from one_of(webhook, "matchPolicy", where, ("Equivalent", "Exact"))
        timeout = webhook.get("timeoutSeconds", 10)
        if not 1 <= timeout <= _MAX_TIMEOUT:
            detail = "the timeout value must be between 1 and 30 seconds"
            yield fielderrors.invalid(f"{where}.timeoutSeconds", timeout, detail)
        for key in ("namespaceSelector", "objectSelector"):
            yield from selector(webhook.get(key), f"{where}.{key}")
        for rule_path, rule in each(webhook, "rules", where):
            for key in ("operations", "apiGroups", "apiVersions", "resources"):
                if not rule.get(key):
                    yield fielderrors.required(f"{rule_path}.{key}")
    yield from unique((f"webhooks[{i}].name", w.get("name")) for i, w in enumerate(obj.get("webhooks") or ()))


def admission_binding(obj: Object) -> Errors:
    """ValidatingAdmissionPolicyBinding."""
    spec = sub(obj, "spec")
    yield from required(spec, "policyName", "spec")
    actions = spec.get("validationActions") or []
    if not actions:
        yield fielderrors.required("spec.validationActions")
    for index, action in enumerate(actions):
        if action not in {"Audit", "Deny", "Warn"}:
            yield fielderrors.not_supported(f"spec.validationActions[{index}]", action, ("Audit", "Deny", "Warn"))
    if {"Deny", "Warn"} <= set(actions):
        detail = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the API "
            "response and headers serves no purpose)"
        )
        yield fielderrors.invalid("spec.validationActions", actions, detail)
