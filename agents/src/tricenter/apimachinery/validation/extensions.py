"""Rules of kinds that extend the API: CustomResourceDefinition, APIService, admission configuration."""

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.validation.rules import Errors, Object, each, named, one_of, required, selector, sub, unique

_MAX_TIMEOUT = 30


def custom_resource_definition(obj: Object) -> Errors:
    """apiextensions.k8s.io/v1 CustomResourceDefinition."""
    spec = sub(obj, "spec")
    group, found = str(spec.get("group", "")), sub(spec, "names")
    name = str(sub(obj, "metadata").get("name", ""))
    if name != f"{found.get('plural', '')}.{group}":
        yield fielderrors.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if not group:
        yield fielderrors.required("spec.group")
    elif "." not in group:
        yield fielderrors.invalid("spec.group", group, "should be a domain with at least one dot")
    else:
        yield from named(names.dns_subdomain, group, "spec.group")
    if spec.get("scope") not in {"Cluster", "Namespaced"}:
        yield fielderrors.not_supported("spec.scope", spec.get("scope", ""), ("Cluster", "Namespaced"))
    yield from _names(found)
    yield from _versions(spec)
    if sub(spec, "conversion").get("strategy") not in {None, "None", "Webhook"}:
        yield fielderrors.not_supported("spec.conversion.strategy", spec["conversion"]["strategy"], ("None", "Webhook"))
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        )
        yield fielderrors.invalid("spec.preserveUnknownFields", True, detail)


def _names(found: Object) -> Errors:
    path = "spec.names"
    for key in ("plural", "kind"):
        yield from required(found, key, path)
    for key in ("plural", "singular"):
        if found.get(key):
            yield from named(names.dns_label_1035, found[key], f"{path}.{key}")
    for key in ("kind", "listKind"):
        if found.get(key):
            yield from named(names.dns_label_1035, str(found[key]).lower(), f"{path}.{key}")
    if found.get("kind") and found.get("kind") == found.get("listKind"):
        yield fielderrors.invalid(f"{path}.listKind", found["listKind"], "kind and listKind may not be the same")
    for key in ("shortNames", "categories"):
        for index, value in enumerate(found.get(key) or ()):
            yield from named(names.dns_label_1035, value, f"{path}.{key}[{index}]")


def _versions(spec: Object) -> Errors:
    versions = list(each(spec, "versions", "spec"))
    if sum(bool(version.get("storage")) for _, version in versions) != 1:
        shown = spec.get("versions") or []
        names_shown = [version.get("name") for version in shown]
        yield fielderrors.invalid(
            "spec.versions", names_shown, "must have exactly one version marked as storage version"
        )
    yield from unique((f"{where}.name", version.get("name")) for where, version in versions)
    for where, version in versions:
        yield from named(names.dns_label_1035, version.get("name", ""), f"{where}.name")
        schema = sub(version, "schema").get("openAPIV3Schema")
        if schema is None:
            yield fielderrors.required(f"{where}.schema.openAPIV3Schema", "schemas are required")
        else:
            yield from _structural(schema, f"{where}.schema.openAPIV3Schema", root=True)
        for column_path, column in each(version, "additionalPrinterColumns", where):
            for key in ("name", "type", "jsonPath"):
                yield from required(column, key, column_path)
            types = ("boolean", "date", "integer", "number", "string")
            yield from one_of(column, "type", column_path, types)


def _structural(schema: Object, path: str, *, root: bool = False) -> Errors:
    """A schema is structural: every node says its type, unless it keeps anything."""
    kind = schema.get("type", "")
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if root and kind != "object":
        yield fielderrors.invalid(f"{path}.type", kind, "must be object at the root")
    elif not kind and not free:
        yield fielderrors.required(f"{path}.type", "must not be empty for specified object fields")
    if schema.get("x-kubernetes-list-type") == "map" and not schema.get("x-kubernetes-list-map-keys"):
        detail = "must not be empty if x-kubernetes-list-type is map"
        yield fielderrors.required(f"{path}.x-kubernetes-list-map-keys", detail)
    if schema.get("properties") and isinstance(schema.get("additionalProperties"), dict):
        detail = "additionalProperties and properties are mutual exclusive"
        yield fielderrors.forbidden(f"{path}.additionalProperties", detail)
    if kind == "array" and not schema.get("items"):
        yield fielderrors.required(f"{path}.items", "must be specified")
    for name, child in sub(schema, "properties").items():
        if root and name == "metadata":
            continue
        yield from _structural(child, f"{path}.properties[{name}]")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _structural(schema[key], f"{path}.{key}")


def custom_resource_definition_update(old: Object, new: Object) -> Errors:
    """What stored objects depend on stays."""
    before, after = sub(old, "spec"), sub(new, "spec")
    for key in ("scope", "group"):
        if before.get(key) != after.get(key):
            yield fielderrors.invalid(f"spec.{key}", after.get(key), "field is immutable")
    for key in ("plural", "kind"):
        if sub(before, "names").get(key) != sub(after, "names").get(key):
            yield fielderrors.invalid(f"spec.names.{key}", sub(after, "names").get(key), "field is immutable")
    served = {version.get("name") for version in after.get("versions") or ()}
    for index, version in enumerate(sub(new, "status").get("storedVersions") or ()):
        if version not in served:
            detail = (
                f"missing from spec.versions; {version} was previously a storage version, and must remain in "
                "spec.versions until a storage migration ensures no data remains persisted in it and removes "
                f"{version} from status.storedVersions"
            )
            yield fielderrors.invalid(f"status.storedVersions[{index}]", version, detail)
    yield from custom_resource_definition(new)


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
