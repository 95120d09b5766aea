"""Rules of the environment of containers and of the downward API (upstream pkg/apis/core/validation)."""

from tricenter.apimachinery import fielderrors, names, quantity
from tricenter.apimachinery.validation.rules import Errors, Object, each, named, required, required_name

_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")
_PLAIN_FIELDS = {
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
}  # fmt: skip
_KEYED_FIELDS = ("metadata.annotations", "metadata.labels")
_KNOWN_FIELDS = _PLAIN_FIELDS | {*_KEYED_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase"}
"""What a label of the downward API can mean at all (ConvertDownwardAPIFieldLabel)."""
_AMOUNTS = ("cpu", "memory", "ephemeral-storage")
_RESOURCES = {f"{part}.{name}" for part in ("limits", "requests") for name in _AMOUNTS}
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_BYTES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_CALLED = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}
_SEVERAL = "may not have more than one field specified at a time"


def environment(obj: Object, path: str) -> Errors:
    """`env` and `envFrom` of a container."""
    for where, variable in each(obj, "env", path):
        yield from required_name(variable, "name", where, names.relaxed_env_name)
        if variable.get("valueFrom") is not None:
            yield from _value_from(variable, f"{where}.valueFrom")
    for where, source in each(obj, "envFrom", path):
        if source.get("prefix"):
            yield from named(names.relaxed_env_name, source["prefix"], f"{where}.prefix")
        given = [key for key in ("configMapRef", "secretRef") if source.get(key)]
        if len(given) != 1:
            problem = _SEVERAL if given else "must specify one of: `configMapRef` or `secretRef`"
            yield fielderrors.invalid(where, "", problem)
        for key in given:
            yield from required(source[key], "name", f"{where}.{key}")


def _value_from(variable: Object, path: str) -> Errors:
    source = variable["valueFrom"]
    given = [key for key in _SOURCES if source.get(key)]
    if not given:
        detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        yield fielderrors.invalid(path, "", detail)
    elif variable.get("value"):
        yield fielderrors.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield fielderrors.invalid(path, "", _SEVERAL)
    for key in given:
        yield from _source(key, source[key], f"{path}.{key}")


def _source(kind: str, source: Object, path: str) -> Errors:
    if kind == "fieldRef":
        yield from field_reference(source, path, _PLAIN_FIELDS)
    elif kind == "resourceFieldRef":
        yield from resource_reference(source, path)
    else:
        yield from named(names.dns_subdomain, source.get("name", ""), f"{path}.name")
        yield from required_name(source, "key", path, names.config_key)


def field_reference(source: Object, path: str, allowed: set[str]) -> Errors:
    """A reference to a field of the pod itself."""
    field = str(source.get("fieldPath", ""))
    if not field:
        yield fielderrors.required(f"{path}.fieldPath")
        return
    plain, bracket, key = field.partition("['")
    if bracket and plain in _KEYED_FIELDS and key.endswith("']"):
        key = key[:-2].lower() if plain == "metadata.annotations" else key[:-2]
        yield from named(names.qualified_name, key, path)
    elif field not in _KNOWN_FIELDS:
        detail = f"error converting fieldPath: field label not supported: {field}"
        yield fielderrors.invalid(f"{path}.fieldPath", field, detail)
    elif field not in allowed:
        yield fielderrors.not_supported(f"{path}.fieldPath", field, allowed)


def resource_reference(source: Object, path: str, *, volume: bool = False) -> Errors:
    """A reference to a request or limit of a container; in a volume it must say of which one."""
    resource = str(source.get("resource", ""))
    if volume and not source.get("containerName"):
        yield fielderrors.required(f"{path}.containerName")
    elif not resource:
        yield fielderrors.required(f"{path}.resource")
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        yield fielderrors.not_supported(f"{path}.resource", resource, _RESOURCES)
    yield from _divisor(source.get("divisor"), resource, path)


def _divisor(divisor: object, resource: str, path: str) -> Errors:
    try:
        text = quantity.canonical(str(divisor or 0))
    except quantity.QuantityError:
        return
    name = resource.partition(".")[2]
    if text == "0":
        return
    if name == "cpu" and text not in {"1m", "1"}:
        detail = "only divisor's values 1m and 1 are supported with the cpu resource"
        yield fielderrors.invalid(f"{path}.divisor", resource, detail)
    elif name != "cpu" and text not in _BYTES:
        detail = f"only divisor's values {', '.join(_BYTES)} are supported with the {_CALLED.get(name, 'hugepages')} "
        yield fielderrors.invalid(f"{path}.divisor", resource, f"{detail}resource")
