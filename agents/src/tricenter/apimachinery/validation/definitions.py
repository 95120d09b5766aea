"""Rules of CustomResourceDefinition (upstream's apiextensions-apiserver pkg/apis/apiextensions/validation)."""

import copy

from tricenter.apimachinery import fielderrors, names
from tricenter.apimachinery.schema import custom
from tricenter.apimachinery.structural import fieldpaths, naming, pruning
from tricenter.apimachinery.validation import expressions, schemas
from tricenter.apimachinery.validation.rules import IMMUTABLE, Errors, Object, each, named, required, sub

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_SELECTABLE_MAX = 8
_REVIEWS = ("v1", "v1beta1")
_WITH_STATUS = (
    "Description", "Type", "Format", "Title", "Maximum", "ExclusiveMaximum", "Minimum", "ExclusiveMinimum",
    "MaxLength", "MinLength", "Pattern", "MaxItems", "MinItems", "UniqueItems", "MultipleOf", "Required", "Items",
    "Properties", "ExternalDocs", "Example", "XPreserveUnknownFields", "XValidations",
)  # fmt: skip
_EXTENSION_NAMES = {
    "x-kubernetes-preserve-unknown-fields": "XPreserveUnknownFields",
    "x-kubernetes-validations": "XValidations",
}


def custom_resource_definition(obj: Object) -> Errors:
    """A new definition."""
    yield from _common(obj)
    yield from _approval(obj, None)


def custom_resource_definition_update(old: Object, new: Object) -> Errors:
    """A changed one: what stored objects depend on stays."""
    yield from _common(new)
    before, after = sub(old, "spec"), sub(new, "spec")
    fixed = [("spec", before, after, "group"), ("spec.names", sub(before, "names"), sub(after, "names"), "plural")]
    if naming.is_true(old, naming.ESTABLISHED):
        fixed.append(("spec", before, after, "scope"))
        fixed.append(("spec.names", sub(before, "names"), sub(after, "names"), "kind"))
    for path, was, now, key in fixed:
        if was.get(key) != now.get(key):
            yield fielderrors.invalid(f"{path}.{key}", now.get(key), IMMUTABLE)
    yield from _approval(new, old)


def _common(obj: Object) -> Errors:
    spec = sub(obj, "spec")
    group, found = str(spec.get("group", "")), sub(spec, "names")
    name = str(sub(obj, "metadata").get("name", ""))
    if name != f"{found.get('plural', '')}.{group}":
        yield fielderrors.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    yield from _group(group)
    scope = spec.get("scope")
    if not scope:
        yield fielderrors.required("spec.scope")
    elif scope not in {"Cluster", "Namespaced"}:
        yield fielderrors.not_supported("spec.scope", scope, ("Cluster", "Namespaced"))
    yield from _versions(spec)
    for key in ("plural", "singular", "kind", "listKind"):
        yield from required(found, key, "spec.names")
    yield from _names(found, "spec.names")
    yield from _names(sub(sub(obj, "status"), "acceptedNames"), "status.acceptedNames")
    yield from _conversion(sub(spec, "conversion"))
    yield from _stored(sub(obj, "status").get("storedVersions") or [], spec)
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        )
        yield fielderrors.invalid("spec.preserveUnknownFields", True, detail)


def _group(group: str) -> Errors:
    if not group:
        yield fielderrors.required("spec.group")
    elif reasons := names.dns_subdomain(group):
        yield fielderrors.invalid("spec.group", group, ",".join(reasons))
    elif "." not in group:
        yield fielderrors.invalid("spec.group", group, "should be a domain with at least one dot")


def _names(found: Object, path: str) -> Errors:
    for key in ("plural", "singular"):
        if found.get(key) and (reasons := names.dns_label_1035(str(found[key]))):
            yield fielderrors.invalid(f"{path}.{key}", found[key], ",".join(reasons))
    for key in ("kind", "listKind"):
        if found.get(key) and (reasons := names.dns_label_1035(str(found[key]).lower())):
            detail = f"may have mixed case, but should otherwise match: {','.join(reasons)}"
            yield fielderrors.invalid(f"{path}.{key}", found[key], detail)
    for key in ("shortNames", "categories"):
        for index, value in enumerate(found.get(key) or ()):
            yield from named(names.dns_label_1035, value, f"{path}.{key}[{index}]")
    if found.get("kind") and found.get("kind") == found.get("listKind"):
        yield fielderrors.invalid(f"{path}.listKind", found["listKind"], "kind and listKind may not be the same")


def _approval(obj: Object, old: Object | None) -> Errors:
    """A group of the Kubernetes community needs the annotation of its review (KEP-1111)."""
    if not naming.protected(str(sub(obj, "spec").get("group", ""))):
        return
    given = (sub(obj, "metadata").get("annotations") or {}).get(naming.APPROVAL)
    status, reason, message = naming.approval(given)
    if old is not None:
        before = (sub(old, "metadata").get("annotations") or {}).get(naming.APPROVAL)
        if naming.approval(before)[1] == reason:
            return
    path = f"metadata.annotations[{naming.APPROVAL}]"
    if reason == "MissingAnnotation":
        yield fielderrors.required(path, message)
    elif status == "Unknown":
        yield fielderrors.invalid(path, given, message)


# --- versions ---


def _versions(spec: Object) -> Errors:
    versions = list(each(spec, "versions", "spec"))
    shown = [version.get("name") for _, version in versions]
    for where, version in versions:
        if reasons := names.dns_label_1035(str(version.get("name", ""))):
            yield fielderrors.invalid(f"{where}.name", version.get("name", ""), ",".join(reasons))
        yield from _version(version, where)
    if len(set(shown)) != len(shown):
        yield fielderrors.invalid("spec.versions", shown, "must contain unique version names")
    if sum(bool(version.get("storage")) for _, version in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        yield fielderrors.invalid("spec.versions", shown, detail)


def _version(version: Object, path: str) -> Errors:
    warning = version.get("deprecationWarning")
    if warning is not None:
        for reason in _deprecation(str(warning), deprecated=bool(version.get("deprecated"))):
            yield fielderrors.invalid(f"{path}.deprecationWarning", warning, reason)
    schema, where = sub(version, "schema").get("openAPIV3Schema"), f"{path}.schema.openAPIV3Schema"
    if not isinstance(schema, dict):
        yield fielderrors.required(where)
        return
    subresources = sub(version, "subresources")
    found = [*_root(schema, path, with_status=subresources.get("status") is not None), *schemas.at_root(schema, where)]
    yield from found
    if not found:
        yield from _defaults(schema, where, root=True)
        yield from expressions.of_schema(schema, where)
    yield from _scale(subresources.get("scale"), f"{path}.subresources")
    for column_path, column in each(version, "additionalPrinterColumns", path):
        yield from _column(column, column_path)
    yield from _selectable(version, schema, f"{path}.selectableFields")


def _deprecation(text: str, *, deprecated: bool) -> list[str]:
    if not deprecated:
        return ["can only be set for deprecated versions"]
    found = ["must be <= 256 characters long"] if len(text.encode()) > 256 else []
    if not text:
        found.append("must not be an empty string")
    for index, char in enumerate(text):
        if not char.isprintable():
            detail = f"must only contain printable UTF-8 characters; non-printable character found at index {index}"
            return [*found, detail]
    return found


def _root(schema: Object, path: str, *, with_status: bool) -> Errors:
    if schema.get("nullable"):
        yield fielderrors.forbidden(f"{path}.schema.openAPIV3Schema.nullable", "nullable cannot be true at the root")
    if not with_status:
        return
    where = f"{path}.schema.openAPIV3Schema"
    if schema.get("type", "object") != "object":
        detail = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        yield fielderrors.invalid(f"{where}.type", schema["type"], detail)
    for key, value in schema.items():
        name = _EXTENSION_NAMES.get(key, key[:1].upper() + key[1:])
        if value not in (None, "", False, [], {}) and name not in _WITH_STATUS:
            allowed = " ".join(_WITH_STATUS)
            detail = (
                f"only [{allowed}] fields are allowed at the root of the schema if the status subresource is enabled"
            )
            yield fielderrors.invalid(where, schema, detail)
            return


def _defaults(schema: Object, path: str, *, root: bool = False) -> Errors:
    """Defaults are valid values without unknown fields; below additionalProperties there is none to look at."""
    if "default" in schema:
        value = schema["default"]
        if _pruned(value, schema) != value:
            yield fielderrors.invalid(f"{path}.default", value, "must not have unknown fields")
        for problem in custom.problems(custom.of_value(schema), value):
            where = custom.dotted(problem.place)
            suffix = problem.error.path if problem.error.path != "<nil>" else where
            yield fielderrors.FieldError(
                f"{path}.default{'.' if suffix and suffix[0] != '[' else ''}{suffix}",
                problem.error.reason,
                problem.error.message,
            )
    if isinstance(schema.get("items"), dict):
        yield from _defaults(schema["items"], f"{path}.items")
    for name, field in sub(schema, "properties").items():
        if not (root and name in ("metadata", "apiVersion", "kind")):
            yield from _defaults(field, f"{path}.properties[{name}]")


def _pruned(value: object, schema: Object) -> object:
    made = {"value": copy.deepcopy(value)}
    pruning.prune(made, {"properties": {"value": schema}})
    return made["value"]


# --- subresources, columns, selectable fields ---


def _scale(scale: Object | None, path: str) -> Errors:
    if scale is None:
        return
    for key, prefixes in (("specReplicasPath", (".spec.",)), ("statusReplicasPath", (".status.",)),
                          ("labelSelectorPath", (".spec.", ".status."))):  # fmt: skip
        text, where = scale.get(key), f"{path}.scale.{key}"
        if not text:
            if key != "labelSelectorPath":
                yield fielderrors.required(where)
        elif not text.startswith("."):
            yield fielderrors.invalid(where, text, "must be a simple json path starting with .")
        elif not text.startswith(prefixes):
            under = " or ".join(prefix.rstrip(".") for prefix in prefixes)
            under = f"either {under}" if len(prefixes) > 1 else under
            yield fielderrors.invalid(where, text, f"should be a json path under {under}")


def _column(column: Object, path: str) -> Errors:
    yield from required(column, "name", path)
    kind, form = column.get("type"), column.get("format")
    detail = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not kind:
        yield fielderrors.required(f"{path}.type", detail)
    elif kind not in _COLUMN_TYPES:
        yield fielderrors.invalid(f"{path}.type", kind, detail)
    if form and form not in _COLUMN_FORMATS:
        yield fielderrors.invalid(f"{path}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}")
    if not column.get("jsonPath"):
        yield fielderrors.required(f"{path}.JSONPath")
    elif not column["jsonPath"].startswith("."):
        yield fielderrors.invalid(f"{path}.JSONPath", column["jsonPath"], "must be a simple json path starting with .")


def _selectable(version: Object, schema: Object, path: str) -> Errors:
    seen: set[str] = set()
    for index, field in enumerate(version.get("selectableFields") or ()):
        where, text = f"{path}[{index}].jsonPath", str(field.get("jsonPath") or "")
        if not text:
            yield fielderrors.required(where)
            continue
        found = fieldpaths.resolve(schema, text, brackets=False)
        if isinstance(found, str):
            yield fielderrors.invalid(where, text, f"is an invalid path: {found}")
            continue
        if text.startswith(".metadata"):
            yield fielderrors.invalid(where, text, "must not point to fields in metadata")
        if found.schema.get("type") not in ("string", "boolean", "integer"):
            detail = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with "
                "formats are allowed."
            )
            yield fielderrors.invalid(where, text, detail)
        if text in seen:
            yield fielderrors.duplicate(where, text)
        seen.add(text)
    if len(seen) > _SELECTABLE_MAX:
        yield fielderrors.too_many(path, len(seen), _SELECTABLE_MAX)


# --- conversion, stored versions ---


def _conversion(conversion: Object) -> Errors:
    path, strategy = "spec.conversion", conversion.get("strategy")
    if strategy not in (None, "None", "Webhook"):
        yield fielderrors.not_supported(f"{path}.strategy", strategy, ("None", "Webhook"))
    webhook = conversion.get("webhook")
    if strategy != "Webhook":
        if webhook is not None:
            detail = "should not be set when strategy is not set to Webhook"
            yield fielderrors.forbidden(f"{path}.webhookClientConfig", detail)
        return
    client = sub(webhook, "clientConfig")
    if not client:
        detail = "required when strategy is set to Webhook"
        yield fielderrors.required(f"{path}.webhookClientConfig", detail)
    elif bool(client.get("url")) == bool(client.get("service")):
        yield fielderrors.required(f"{path}.webhookClientConfig", "exactly one of url or service is required")
    reviews = (webhook or {}).get("conversionReviewVersions") or []
    if not reviews:
        yield fielderrors.required(f"{path}.conversionReviewVersions")
    elif not set(reviews) & set(_REVIEWS):
        detail = f"must include at least one of {', '.join(_REVIEWS)}"
        yield fielderrors.invalid(f"{path}.conversionReviewVersions", reviews, detail)


def _stored(stored: list[str], spec: Object) -> Errors:
    """Every version that objects may be stored in stays in the definition."""
    path, known = "status.storedVersions", {}
    if not stored:
        yield fielderrors.invalid(path, stored, "must have at least one stored version")
        return
    known = {version.get("name"): version for _, version in each(spec, "versions", "spec")}
    for name, version in known.items():
        if version.get("storage") and name not in stored:
            yield fielderrors.invalid(path, stored, f"must have the storage version {name}")
    for index, name in enumerate(stored):
        if name not in known:
            detail = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                "spec.versions until a storage migration ensures no data remains persisted in it and removes "
                f"{name} from status.storedVersions"
            )
            yield fielderrors.invalid(f"{path}[{index}]", name, detail)
