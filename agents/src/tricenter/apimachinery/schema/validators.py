"""Type checks by jsonschema-rs: one compiled validator a kind, its errors worded as field errors."""

from collections.abc import Iterable
from typing import Any

import jsonschema_rs

from tricenter.apimachinery import fielderrors, quantity
from tricenter.apimachinery.fielderrors import FieldError
from tricenter.apimachinery.schema import definitions

_PREFIX = "#/$defs/"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_SCHEMAS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_PROPERTIES = {"$ref": f"{_PREFIX}{_SCHEMAS}"}
_UNIONS: dict[str, dict[str, Any]] = {
    f"{_SCHEMAS}OrArray": {"anyOf": [_PROPERTIES, {"type": "array", "items": _PROPERTIES}]},
    f"{_SCHEMAS}OrBool": {"anyOf": [_PROPERTIES, {"type": "boolean"}]},
    f"{_SCHEMAS}OrStringArray": {"anyOf": [_PROPERTIES, {"type": "array", "items": {"type": "string"}}]},
    _QUANTITY: {"type": ["string", "number"], "format": "quantity"},
    _INT_OR_STRING: {"type": ["string", "integer"]},
}
_INT32 = {"minimum": -(2**31), "maximum": 2**31 - 1}
_INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}
_TIME = {"format": "date-time", "pattern": "^[0-9-]{10}T[0-9:]{6}[0-5][0-9]([.,][0-9]+)?(Z|[+-][0-9:]{5})$"}
"""RFC 3339 without what Go does not read: small letters and leap seconds. One such time breaks every list it is in."""
_IGNORED = {"description", "example", "externalDocs", "title"}


def _is_quantity(text: str) -> bool:
    try:
        quantity.parse_form(text)
    except quantity.QuantityError:
        return False
    return True


FORMATS = {"quantity": _is_quantity}


def of_definition(name: str) -> jsonschema_rs.Validator:
    """The validator of a built-in kind; it carries only the definitions that the kind can reach."""
    return _compile({"$ref": _PREFIX + name, "$defs": collected(name)})


def collected(name: str) -> dict[str, Any]:
    """A definition and all that it refers to."""
    found: dict[str, Any] = {}
    _collect(name, found)
    return found


def _compile(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft202012Validator(schema, formats=FORMATS, validate_formats=True)


def _collect(name: str, found: dict[str, Any]) -> None:
    if name in found:
        return
    found[name] = _UNIONS.get(name)
    if found[name] is None:
        schema = _plain(definitions.load()[name])
        if name.endswith(("Status", "Condition")):
            schema.pop("required", None)  # upstream decodes a status with missing fields as zero values
        found[name] = schema
        for reference in _references(schema):
            _collect(reference, found)


def _plain(schema: Any) -> Any:
    """A schema without prose and extensions, with the bounds that a Go integer has."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            made[key] = {name: _plain(field) for name, field in value.items()}
        elif key not in _IGNORED and not key.startswith("x-kubernetes-"):
            made[key] = _plain(value)
    if (form := made.pop("format", None)) in {"int32", "int64"}:
        made |= _INT32 if form == "int32" else _INT64
    elif form == "date-time":
        made |= _TIME
    return made


def _references(schema: Any) -> Iterable[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(_PREFIX)
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)


def errors(validator: jsonschema_rs.Validator, obj: Any) -> list[FieldError]:
    """What is wrong with the types of `obj`; empty for nearly all objects, which costs microseconds."""
    if validator.is_valid(obj):
        return []
    return [_worded(error) for error in validator.iter_errors(obj)]


def _path(parts: Iterable[str | int]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "<root>"


def _worded(error: jsonschema_rs.ValidationError) -> FieldError:
    kind, path, value = error.kind, _path(error.instance_path), error.instance
    if isinstance(kind, _Kind.Required):
        return fielderrors.required(f"{path}.{kind.property}".removeprefix("<root>."))
    if isinstance(kind, _Kind.Type):
        wanted = " or ".join(name for name in kind.types if name != "null")
        return fielderrors.type_invalid(path, value, f"{path} in body must be of type {wanted}: {_json_name(value)}")
    if isinstance(kind, _Kind.Enum):
        return fielderrors.not_supported(path, value, [str(option) for option in kind.options])
    return fielderrors.invalid(path, value, f"{path} in body {_rule(error)}")


def _json_name(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return fielderrors.show(names.get(type(value), "null"))


def _rule(error: jsonschema_rs.ValidationError) -> str:
    """A broken rule in the words of go-openapi, which upstream validates custom resources with."""
    kind = error.kind
    for shape, words in _LIMITS:
        if isinstance(kind, shape):
            return words.format(kind.value)
    return error.message


_Kind = jsonschema_rs.ValidationErrorKind
_LIMITS: tuple[tuple[type[jsonschema_rs.ValidationErrorKind], str], ...] = (
    (_Kind.Minimum, "should be greater than or equal to {}"),
    (_Kind.Maximum, "should be less than or equal to {}"),
    (_Kind.ExclusiveMinimum, "should be greater than {}"),
    (_Kind.ExclusiveMaximum, "should be less than {}"),
    (_Kind.MinLength, "should be at least {} chars long"),
    (_Kind.MaxLength, "should be at most {} chars long"),
    (_Kind.MinItems, "should have at least {} items"),
    (_Kind.MaxItems, "should have at most {} items"),
    (_Kind.MinProperties, "should have at least {} properties"),
    (_Kind.MaxProperties, "should have at most {} properties"),
    (_Kind.MultipleOf, "should be a multiple of {}"),
    (_Kind.Pattern, "should match '{}'"),
    (_Kind.Format, "must be of type {}"),
)
