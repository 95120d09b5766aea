"""What `x-kubernetes-validations` of a definition may say: rules compile, and `oldSelf` has something to stand for.

Upstream's apiextensions-apiserver pkg/apis/apiextensions/validation (ValidateCustomResourceDefinitionOpenAPISchema).
"""

from tricenter.apimachinery import cel, fielderrors
from tricenter.apimachinery.structural import expressions, fieldpaths
from tricenter.apimachinery.structural.expressions import RULES
from tricenter.apimachinery.validation.rules import Errors, Object, sub

_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_BREAKS = ("\n", "\r")


def of_schema(schema: Object, path: str, *, root: bool = True, uncorrelated: str = "") -> Errors:
    """All rules of a schema; `uncorrelated` is the path of a list around it whose elements have no identity."""
    for index, source in enumerate(schema.get(RULES) or ()):
        where = f"{path}.{RULES}[{index}]"
        wrong = list(_texts(source, schema, where))
        yield from wrong or _compiles(source, schema, where, root=root, uncorrelated=uncorrelated)
    for name, child in sub(schema, "properties").items():
        yield from of_schema(child, f"{path}.properties[{name}]", root=False, uncorrelated=uncorrelated)
    if isinstance(schema.get("additionalProperties"), dict):
        below = f"{path}.additionalProperties"
        yield from of_schema(schema["additionalProperties"], below, root=False, uncorrelated=uncorrelated)
    if isinstance(schema.get("items"), dict):
        listed = uncorrelated or ("" if schema.get("x-kubernetes-list-type") == "map" else path)
        yield from of_schema(schema["items"], f"{path}.items", root=False, uncorrelated=listed)


def _texts(source: Object, schema: Object, path: str) -> Errors:
    rule, message = str(source.get("rule") or ""), str(source.get("message") or "")
    if not rule.strip():
        yield fielderrors.required(f"{path}.rule", "rule is not specified")
    elif message and not message.strip():
        yield fielderrors.invalid(f"{path}.message", message, "must be non-empty if specified")
    elif _broken(message.strip()):
        yield fielderrors.invalid(f"{path}.message", message, "must not contain line breaks")
    elif _broken(rule.strip()) and not message.strip():
        yield fielderrors.required(f"{path}.message", "message must be specified if rule contains line breaks")
    if source.get("messageExpression") and not str(source["messageExpression"]).strip():
        detail = "messageExpression must be non-empty if specified"
        yield fielderrors.required(f"{path}.messageExpression", detail)
    if source.get("reason") is not None and source["reason"] not in _REASONS:
        yield fielderrors.not_supported(f"{path}.reason", source["reason"], _REASONS)
    field = str(source.get("fieldPath") or "")
    if field and not field.strip():
        yield fielderrors.invalid(f"{path}.fieldPath", field, "must be non-empty if specified")
    elif _broken(field):
        yield fielderrors.invalid(f"{path}.fieldPath", field, "must not contain line breaks")
    elif field and isinstance(fieldpaths.resolve(schema, field), str):
        yield fielderrors.invalid(f"{path}.fieldPath", field, "must be a valid path")


def _broken(text: str) -> bool:
    return any(char in text for char in _BREAKS)


def _compiles(source: Object, schema: Object, path: str, *, root: bool, uncorrelated: str) -> Errors:
    plain = {key: value for key, value in source.items() if key != "messageExpression"}
    try:
        rule = expressions.rule(plain, schema, root=root)
    except cel.CompileError as error:
        yield fielderrors.invalid(f"{path}.rule", source, str(error))
        return
    if source.get("messageExpression"):
        try:
            expressions.message(source, schema)
        except cel.CompileError as error:
            yield fielderrors.invalid(f"{path}.messageExpression", source, str(error))
    if rule.transition and uncorrelated:
        detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelated}"
        yield fielderrors.invalid(f"{path}.rule", source["rule"], detail)
    elif not rule.transition and source.get("optionalOldSelf") is not None:
        detail = "may not be set if oldSelf is not used in rule"
        yield fielderrors.invalid(f"{path}.optionalOldSelf", source["optionalOldSelf"], detail)
