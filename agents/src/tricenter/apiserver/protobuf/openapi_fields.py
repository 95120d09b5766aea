"""Field numbers of gnostic's `openapi.v2.Document`, the protobuf form of an OpenAPI version 2 document.

Source: github.com/google/gnostic-models, openapiv2/OpenAPIv2.proto. A field is a number and a kind:
`string`, `bool`, `int`, `double`; `any` is a value as YAML text; the name of a message of this table; `list:K`;
`map:K`, a list of pairs of a name and a K; `in:N:K`, a message of which field N is a K; `parameter`, `additional` and
`security` are chosen between by what is written. `x-` stands for all extensions.
"""

from __future__ import annotations

Fields = dict[str, tuple[int, str]]

_LIST = "list:string"
_SCHEMAS = "in:1:map:Schema"
_RANGES: dict[str, str] = {
    "maximum": "double", "exclusiveMaximum": "bool", "minimum": "double", "exclusiveMinimum": "bool",
    "maxLength": "int", "minLength": "int", "pattern": "string", "maxItems": "int", "minItems": "int",
    "uniqueItems": "bool", "enum": "list:any", "multipleOf": "double",
}  # fmt: skip
_TYPED: dict[str, str] = {
    "type": "string", "format": "string", "items": "Items", "collectionFormat": "string", "default": "any", **_RANGES,
}  # fmt: skip
_PLACED: dict[str, str] = {"required": "bool", "in": "string", "description": "string", "name": "string"}


def _numbered(kinds: dict[str, str]) -> Fields:
    """Fields whose numbers follow their order."""
    return {key: (number, kind) for number, (key, kind) in enumerate(kinds.items(), 1)}


_EXTENSIONS = {"x-": "map:any"}
_EMPTIABLE = {"allowEmptyValue": "bool"}

MESSAGES: dict[str, Fields] = {
    "Document": _numbered({
        "swagger": "string", "info": "Info", "host": "string", "basePath": "string", "schemes": _LIST,
        "consumes": _LIST, "produces": _LIST, "paths": "in:2:map:PathItem", "definitions": _SCHEMAS,
        "parameters": "in:1:map:parameter", "responses": "in:1:map:Response",
        "security": "list:in:1:map:in:1:list:string",
        "securityDefinitions": "in:1:map:security", "tags": "list:Tag", "externalDocs": "ExternalDocs", **_EXTENSIONS,
    }),
    "Info": _numbered({
        "title": "string", "version": "string", "description": "string", "termsOfService": "string",
        "contact": "Contact", "license": "License", **_EXTENSIONS,
    }),
    "Contact": _numbered({"name": "string", "url": "string", "email": "string", **_EXTENSIONS}),
    "License": _numbered({"name": "string", "url": "string", **_EXTENSIONS}),
    "Tag": _numbered({"name": "string", "description": "string", "externalDocs": "ExternalDocs", **_EXTENSIONS}),
    "ExternalDocs": _numbered({"description": "string", "url": "string", **_EXTENSIONS}),
    "PathItem": _numbered({
        "$ref": "string", "get": "Operation", "put": "Operation", "post": "Operation", "delete": "Operation",
        "options": "Operation", "head": "Operation", "patch": "Operation", "parameters": "list:in:1:parameter",
        **_EXTENSIONS,
    }),
    "Operation": _numbered({
        "tags": _LIST, "summary": "string", "description": "string", "externalDocs": "ExternalDocs",
        "operationId": "string", "produces": _LIST, "consumes": _LIST, "parameters": "list:in:1:parameter",
        "responses": "in:1:map:in:1:Response", "schemes": _LIST, "deprecated": "bool",
        "security": "list:in:1:map:in:1:list:string", **_EXTENSIONS,
    }),
    "Response": {"description": (1, "string"), "schema": (2, "in:1:Schema"), "x-": (5, "map:any")},
    "BodyParameter": _numbered({
        "description": "string", "name": "string", "in": "string", "required": "bool", "schema": "Schema",
        **_EXTENSIONS,
    }),
    "HeaderParameter": _numbered({**_PLACED, **_TYPED, **_EXTENSIONS}),
    "FormDataParameter": _numbered({**_PLACED, **_EMPTIABLE, **_TYPED, **_EXTENSIONS}),
    "QueryParameter": _numbered({**_PLACED, **_EMPTIABLE, **_TYPED, **_EXTENSIONS}),
    "PathParameter": _numbered({**_PLACED, **_TYPED, **_EXTENSIONS}),
    "Items": _numbered({**_TYPED, **_EXTENSIONS}),
    "Schema": _numbered({
        "$ref": "string", "format": "string", "title": "string", "description": "string", "default": "any",
        "multipleOf": "double", "maximum": "double", "exclusiveMaximum": "bool", "minimum": "double",
        "exclusiveMinimum": "bool", "maxLength": "int", "minLength": "int", "pattern": "string", "maxItems": "int",
        "minItems": "int", "uniqueItems": "bool", "maxProperties": "int", "minProperties": "int", "required": _LIST,
        "enum": "list:any", "additionalProperties": "additional", "type": "in:1:list:string",
        "items": "in:1:list:Schema", "allOf": "list:Schema", "properties": _SCHEMAS, "discriminator": "string",
        "readOnly": "bool", "xml": "Xml", "externalDocs": "ExternalDocs", "example": "any", **_EXTENSIONS,
    }),
    "Xml": _numbered({
        "name": "string", "namespace": "string", "prefix": "string", "attribute": "bool", "wrapped": "bool",
        **_EXTENSIONS,
    }),
    "BasicSecurity": _numbered({"type": "string", "description": "string", **_EXTENSIONS}),
    "ApiKeySecurity": _numbered({
        "type": "string", "name": "string", "in": "string", "description": "string", **_EXTENSIONS,
    }),
}  # fmt: skip

PARAMETERS = {"header": 1, "formData": 2, "query": 3, "path": 4}
"""Where a parameter that is not a body is found, and the field of NonBodyParameter for it."""
