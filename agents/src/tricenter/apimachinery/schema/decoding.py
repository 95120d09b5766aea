"""Why a value cannot be decoded into the Go type of a built-in kind, in the words of Go's decoder.

Upstream decodes a body before anything looks into it (sigs.k8s.io/json, UnmarshalTypeError): a value of another type is
400 with the first such place. Our validator finds such values too; only then is this walk made, for the words.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jsonschema_rs

from tricenter.apimachinery import quantity, times
from tricenter.apimachinery.schema import definitions, golang, validators

_PREFIX = "#/$defs/"
_BITS = {"int32": 31, "int64": 63}
_FREE = ("RawExtension", "FieldsV1", "JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool",
         "JSONSchemaPropsOrStringArray")  # fmt: skip
"""Types that take any value."""

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class _Place:
    """Where in the object a value is: the Go struct that holds it, and the fields on the way there."""

    definition: str = ""
    fields: tuple[str, ...] = ()
    converted: bool = False
    """Whether the words are those of the converter from maps, which takes what a strategic merge leads to."""

    def refused(self, value: Any, wanted: str, *, kind: str = "", shown: bool = False) -> str:
        """The decoder's words for a value of another type, or (`shown`) for a number that the type cannot hold.

        `kind`: the reflect.Kind of the Go type, for the converter.
        """
        if self.converted and kind:
            return _unconverted(value, kind)
        given = f"number {value}" if shown else _name(value)
        struct = self.definition.rpartition(".")[2]
        where = f"struct field {struct}.{'.'.join(self.fields)}" if self.fields else "value"
        return f"json: cannot unmarshal {given} into Go {where} of type {wanted}"


@lru_cache(maxsize=64)
def _validator(definition: str) -> jsonschema_rs.Validator:
    return validators.of_definition(definition)


def fits(definition: str, obj: Any) -> bool:
    """Whether the validator has nothing to say: the quick question before the walk."""
    return bool(_validator(definition).is_valid(obj))


def mismatch(definition: str, obj: Any, *, converted: bool = False) -> str:
    """Why the first value of another type cannot be decoded, or `converted`; empty when all can."""
    return next(_walk(obj, {"$ref": f"{_PREFIX}{definition}"}, _Place(converted=converted)), "")


def _walk(value: Any, schema: Schema, at: _Place, wanted: str = "") -> Iterator[str]:
    """`wanted` is the type's name where the schema does not give it."""
    if value is None:
        return
    name = str(schema.get("$ref", "")).removeprefix(_PREFIX)
    short = name.rpartition(".")[2]
    if short in _FREE:
        return
    if special := _SPECIAL.get(short):
        yield from special(value, at)
        return
    found = definitions.load()[name] if name else schema
    if check := _CHECKS.get(_json_type(found)):
        inside = replace(at, definition=name or at.definition)
        yield from check(value, found, inside, wanted or _go_type(schema), at)


def _json_type(schema: Schema) -> str:
    found = schema.get("type", "")
    return next((item for item in found if item != "null"), "") if isinstance(found, list) else str(found)


def _go_type(schema: Schema) -> str:
    """How Go calls the type: `v1.PodSpec`, `[]v1.Container`, `map[string]string`, `int32`."""
    if "$ref" in schema:
        return ".".join(str(schema["$ref"]).split(".")[-2:])
    kind = _json_type(schema)
    if kind == "array":
        return f"[]{_go_type(schema.get('items') or {})}"
    if kind == "object":
        return f"map[string]{_go_type(schema.get('additionalProperties') or {})}"
    return {"boolean": "bool", "integer": str(schema.get("format", "int")), "number": "float64"}.get(kind, kind)


def _element(wanted: str) -> str:
    """What a list or map holds by the name of its type; empty where that does not tell."""
    return wanted.partition("]")[2] if wanted.startswith(("[]", "map[")) else ""


def _name(value: Any) -> str:
    """What the decoder calls a value of JSON."""
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def _unconverted(value: Any, kind: str) -> str:
    """The converter's words for a value of another type (apimachinery pkg/runtime/converter.go, fromUnstructured)."""
    kinds = {bool: "bool", int: "int64", float: "float64", str: "string", list: "slice", dict: "map"}
    given = kinds[type(value)]
    if kind in ("map", "slice"):
        return f"cannot restore {kind} from {given}"
    if kind == "struct":
        return f"cannot restore struct from: {given}"
    # Go converts between numbers, and a number into text of one character, and knows that this is not meant.
    alike = (given, kind) == ("int64", "string") or (given == "float64" and kind.startswith("int"))
    return f"cannot convert {given} to {kind}" if alike else f"unrecognized type: {kind}"


def _object(value: Any, schema: Schema, inside: _Place, wanted: str, at: _Place) -> Iterator[str]:
    fields, others = schema.get("properties") or {}, schema.get("additionalProperties")
    if not isinstance(value, dict):
        yield at.refused(value, wanted, kind="struct" if fields else "map")
        return
    named = golang.named(inside.definition)
    for key, item in value.items():
        if key in fields:
            yield from _walk(item, fields[key], replace(inside, fields=(*at.fields, key)), named.get(key, ""))
        elif isinstance(others, Mapping):
            yield from _walk(item, others, at, _element(wanted))


def _array(value: Any, schema: Schema, _: _Place, wanted: str, at: _Place) -> Iterator[str]:
    if not isinstance(value, list):
        yield at.refused(value, wanted, kind="slice")
        return
    for item in value:
        yield from _walk(item, schema.get("items") or {}, at, _element(wanted))


def _string(value: Any, schema: Schema, _: _Place, wanted: str, at: _Place) -> Iterator[str]:
    if not isinstance(value, str):
        binary = schema.get("format") == "byte"
        yield at.refused(value, "[]uint8" if binary else wanted, kind="slice" if binary else "string")
    elif schema.get("format") == "byte":
        try:
            base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
        except (binascii.Error, ValueError):
            yield f"illegal base64 data at input byte {_illegal(value)}"


def _illegal(text: str) -> int:
    """The place of the first character that is not of base64, else where the text breaks off."""
    wrong = (index for index, char in enumerate(text) if not (char.isascii() and (char.isalnum() or char in "+/=\r\n")))
    return next(wrong, len(text) // 4 * 4)


def _integer(value: Any, schema: Schema, _: _Place, wanted: str, at: _Place) -> Iterator[str]:
    kind = str(schema.get("format", ""))
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield at.refused(value, wanted, kind=kind)
    elif isinstance(value, float):
        yield at.refused(value, wanted, kind=kind, shown=True)
    elif not -(2 ** (bits := _BITS.get(wanted, 63))) <= value < 2**bits:
        yield at.refused(value, wanted, shown=True)


def _number(value: Any, _: Schema, __: _Place, wanted: str, at: _Place) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield at.refused(value, wanted, kind="float64")


def _boolean(value: Any, _: Schema, __: _Place, wanted: str, at: _Place) -> Iterator[str]:
    if not isinstance(value, bool):
        yield at.refused(value, wanted, kind="bool")


_CHECKS: dict[str, Callable[[Any, Schema, _Place, str, _Place], Iterator[str]]] = {
    "object": _object, "array": _array, "string": _string, "integer": _integer, "number": _number,
    "boolean": _boolean,
}  # fmt: skip


def _quantity(value: Any, _: _Place) -> Iterator[str]:
    try:
        quantity.parse(str(value) if isinstance(value, int | float | str) else "")
    except quantity.QuantityError as error:
        yield str(error)


def _int_or_string(value: Any, at: _Place) -> Iterator[str]:
    if not isinstance(value, str):
        yield from _integer(value, {}, at, "int32", at)


def _time(value: Any, at: _Place) -> Iterator[str]:
    if not isinstance(value, str):
        yield at.refused(value, "string")
        return
    try:
        times.parse(value)
    except ValueError:
        shown = value.replace('"', '\\"')
        yield f'parsing time "{shown}" as "2006-01-02T15:04:05Z07:00": cannot parse "{shown}" as "2006"'


_SPECIAL: dict[str, Callable[[Any, _Place], Iterator[str]]] = {
    "Quantity": _quantity, "IntOrString": _int_or_string, "Time": _time, "MicroTime": _time,
}  # fmt: skip
