"""Values of custom resources against their structural schema, by jsonschema-rs, in the words of kube-openapi.

Upstream's apiextensions-apiserver pkg/apiserver/validation; the formats are those of formats.go there.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from tricenter.apimachinery import fielderrors
from tricenter.apimachinery.fielderrors import FieldError
from tricenter.apimachinery.schema import formats, validators
from tricenter.apimachinery.schema.types import OBJECT_META

Place = tuple[str | int, ...]
"""Where in an object: field names and list indices."""

_IGNORED = {"default", "description", "example", "externalDocs", "format", "id", "title"}
_BY_NAME = ("properties",)
_CHILDREN = ("items", "additionalProperties", "not")
_LISTS = ("allOf", "anyOf", "oneOf")

Kinds = jsonschema_rs.ValidationErrorKind


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and at which value."""

    place: Place
    error: FieldError


def of_resource(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    """The validator of whole objects: their schema, and the metadata that every object has."""
    found = validators.collected(OBJECT_META)
    root = _converted(schema)
    fields = root.setdefault("properties", {})
    metadata = {"$ref": f"#/$defs/{OBJECT_META}"}
    fields["metadata"] = {"allOf": [metadata, fields["metadata"]]} if "metadata" in fields else metadata
    return _compile({**root, "$defs": found})


def of_value(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    """The validator of one value, such as a default. Raises ValueError for a schema that cannot be compiled."""
    return _compile(_converted(schema))


def _compile(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    # Linear regular expressions, as Go's are: a pattern of a client's cannot stop the server.
    return jsonschema_rs.Draft202012Validator(
        schema,
        formats={**formats.CHECKS, **validators.FORMATS},
        validate_formats=True,
        pattern_options=jsonschema_rs.RegexOptions(),
    )


def _converted(schema: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAPI v3 to JSON schema: `nullable`, `x-kubernetes-int-or-string`, boolean exclusive bounds."""
    made = {key: value for key, value in schema.items() if key not in _IGNORED and not key.startswith("x-kubernetes-")}
    for key in _BY_NAME:
        if isinstance(made.get(key), Mapping):
            made[key] = {name: _converted(child) for name, child in made[key].items()}
    for key in _CHILDREN:
        if isinstance(made.get(key), Mapping):
            made[key] = _converted(made[key])
    for key in _LISTS:
        if isinstance(made.get(key), list):
            made[key] = [_converted(child) for child in made[key]]
    if schema.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
        made.pop("anyOf", None)
    if isinstance(made.get("pattern"), str):
        made["pattern"] = _TOKENS.sub(_translated, made["pattern"])
    _drop_empty(made)
    name = str(schema.get("format", "")).replace("-", "")
    if schema.get("type", "string") == "string" and name in formats.CHECKS:
        made["format"] = name
    _exclusive_bounds(made)
    if made.pop("nullable", False):
        _allow_null(made)
    return made


_TOKENS = re.compile(r"\\[pPx]\{[^}]*\}|\\[dswDSW]-(?!\])|\\.|\{(?!\d+(?:,\d*)?\})", re.DOTALL)
"""What Go's regular expressions and the engine's see differently, and what must not be taken for it."""


def _translated(token: re.Match[str]) -> str:
    """`[\\w-.]` has a hyphen, no range; a brace that is no repetition is a brace."""
    text = token[0]
    if text == "{":
        return "\\{"
    return f"{text[:2]}\\-" if text[1] in "dswDSW" and text.endswith("-") else text


def _drop_empty(schema: dict[str, Any]) -> None:
    """What Go takes for nothing, and bounds that bound nothing: they are no valid JSON schema."""
    for key in (*_LISTS, "type"):
        if not schema.get(key, True):
            del schema[key]
    for key in ("minLength", "minItems", "minProperties"):
        if (schema.get(key) or 0) < 0:
            del schema[key]
    for key in ("maxLength", "maxItems", "maxProperties"):
        if (schema.get(key) or 0) < 0:
            schema[key] = 0
    if schema.get("multipleOf") is not None and schema["multipleOf"] <= 0:
        del schema["multipleOf"]
    if "required" in schema:
        schema["required"] = list(dict.fromkeys(schema["required"] or ()))


def _exclusive_bounds(schema: dict[str, Any]) -> None:
    for bound in ("Minimum", "Maximum"):
        exclusive = schema.get(f"exclusive{bound}")
        if isinstance(exclusive, bool):
            del schema[f"exclusive{bound}"]
            if exclusive and bound.lower() in schema:
                schema[f"exclusive{bound}"] = schema.pop(bound.lower())


def _allow_null(schema: dict[str, Any]) -> None:
    if "type" in schema:
        schema["type"] = [*([schema["type"]] if isinstance(schema["type"], str) else schema["type"]), "null"]
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]


# --- errors ---


def problems(validator: jsonschema_rs.Validator, value: Any) -> list[Problem]:
    """What is wrong with a value; nothing for nearly all, which costs microseconds."""
    if validator.is_valid(value):
        return []
    return [problem for error in validator.iter_errors(value) for problem in _worded(error)]


def dotted(place: Iterable[str | int]) -> str:
    """`spec.containers[0].image`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def _worded(error: jsonschema_rs.ValidationError) -> Iterator[Problem]:
    kind, place = error.kind, tuple(error.instance_path)
    path, value = dotted(place), error.instance
    if isinstance(kind, Kinds.Required):
        yield Problem(place, fielderrors.required(dotted((*place, kind.property))))
    elif isinstance(kind, Kinds.Type):
        names = ",".join(name for name in kind.types if name != "null")
        actual = _type_name(value)
        text = f"{path} in body must be of type {names}: {fielderrors.show(actual)}"
        yield Problem(place, fielderrors.type_invalid(path, actual, text))
    elif isinstance(kind, Kinds.Format):
        name = formats.SHOWN.get(kind.format, kind.format)
        text = f"{path} in body must be of type {name}: {fielderrors.show(value)}"
        yield Problem(place, fielderrors.type_invalid(path, value, text))
    elif isinstance(kind, Kinds.Enum):
        yield Problem(place, _not_supported(path, value, kind.options))
    elif isinstance(kind, Kinds.MaxLength):
        yield Problem(place, fielderrors.too_long(path, kind.limit))
    elif isinstance(kind, Kinds.MaxItems | Kinds.MaxProperties):
        yield Problem(place, fielderrors.too_many(path, _size(value), kind.limit))
    elif isinstance(kind, Kinds.AnyOf | Kinds.OneOfNotValid | Kinds.OneOfMultipleValid | Kinds.Not):
        yield from _composite(kind, place, path)
    else:
        yield Problem(place, fielderrors.invalid(path, value, f"{path} in body {_rule(error)}"))


def _not_supported(path: str, value: Any, options: Iterable[Any]) -> FieldError:
    """In the order of the schema, where upstream sorts nothing; numbers are quoted too."""
    texts = (option if isinstance(option, str) else fielderrors.show(option) for option in options)
    choices = ", ".join(fielderrors.show(text) for text in texts)
    message = f"Unsupported value: {fielderrors.show(value)}: supported values: {choices}"
    return FieldError(path, fielderrors.REASON_NOT_SUPPORTED, message)


def _composite(kind: Any, place: Place, path: str) -> Iterator[Problem]:
    """`oneOf` and its like: upstream names no field for them, and adds what the nearest alternative misses."""
    quoted = fielderrors.show(path)
    if isinstance(kind, Kinds.Not):
        text = f"{quoted} must not validate the schema (not)"
    elif isinstance(kind, Kinds.AnyOf):
        text = f"{quoted} must validate at least one schema (anyOf)"
    elif isinstance(kind, Kinds.OneOfMultipleValid):
        valid = sum(1 for errors in kind.context if not errors)
        text = f"{quoted} must validate one and only one schema (oneOf). Found {valid} valid alternatives"
    else:
        text = f"{quoted} must validate one and only one schema (oneOf). Found none valid"
    yield Problem(place, FieldError("<nil>", fielderrors.REASON_INVALID, f'Invalid value: "": {text}'))
    if isinstance(kind, Kinds.AnyOf | Kinds.OneOfNotValid):
        nearest = min(kind.context, key=len, default=())
        for inner in nearest:
            yield from _worded(inner)


def _size(value: Any) -> int:
    return len(value)


def _type_name(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _rule(error: jsonschema_rs.ValidationError) -> str:
    for shape, words, attribute in _RULES:
        if isinstance(error.kind, shape):
            limit = getattr(error.kind, attribute)
            if isinstance(limit, float) and limit.is_integer():
                limit = int(limit)
            return words.format(limit)
    return str(error.message)


_RULES: tuple[tuple[type[jsonschema_rs.ValidationErrorKind], str, str], ...] = (
    (Kinds.Minimum, "should be greater than or equal to {}", "limit"),
    (Kinds.Maximum, "should be less than or equal to {}", "limit"),
    (Kinds.ExclusiveMinimum, "should be greater than {}", "limit"),
    (Kinds.ExclusiveMaximum, "should be less than {}", "limit"),
    (Kinds.MinLength, "should be at least {} chars long", "limit"),
    (Kinds.MinItems, "should have at least {} items", "limit"),
    (Kinds.MinProperties, "should have at least {} properties", "limit"),
    (Kinds.MultipleOf, "should be a multiple of {}", "multiple_of"),
    (Kinds.Pattern, "should match '{}'", "pattern"),
)


def bad_pattern(pattern: str) -> str:
    """Why a text is no regular expression, or nothing."""
    try:
        of_value({"type": "string", "pattern": pattern})
    except ValueError as error:
        return str(error).splitlines()[0]
    return ""
