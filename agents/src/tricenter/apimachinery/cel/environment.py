"""The engine with Kubernetes' libraries, for a set of variables.

Kept apart from `program`, for it brings 20 MB that a process without expressions does not need.
"""

from __future__ import annotations

from functools import lru_cache

from cel_expr_python import cel

from tricenter.apimachinery.cel.library import FUNCTIONS

_EXTENSIONS = (("optional", "latest"), ("strings", "2"), ("two-var-comprehensions", "latest"), ("sets", "latest"))
"""Of the engine's own libraries those of level 1.33 (k8s.io/apiserver/pkg/cel/environment/base.go)."""

_BASIC = {
    "dyn": cel.Type.DYN,
    "bool": cel.Type.BOOL,
    "int": cel.Type.INT,
    "uint": cel.Type.UINT,
    "double": cel.Type.DOUBLE,
    "string": cel.Type.STRING,
    "bytes": cel.Type.BYTES,
    "timestamp": cel.Type.TIMESTAMP,
    "duration": cel.Type.DURATION,
}


def _type(text: str) -> cel.Type:
    """`int`, `list(int)`, `map(string, list(int))`: keys of maps are basic types. Raises KeyError for others."""
    if text.startswith("list("):
        return cel.Type.List(_type(text[len("list(") : -1]))
    if text.startswith("map("):
        key, _, value = text[len("map(") : -1].partition(", ")
        return cel.Type.Map(_BASIC[key], _type(value))
    return _BASIC[text]


@lru_cache(maxsize=1)
def _library() -> cel.CelExtension:
    by_name: dict[str, list[cel.Overload]] = {}
    for function in FUNCTIONS:
        overload = cel.Overload(
            function.overload,
            _type(function.returns),
            [_type(parameter) for parameter in function.parameters],
            is_member=function.member,
            impl=function.implementation,
        )
        by_name.setdefault(function.name, []).append(overload)
    return cel.CelExtension("kubernetes", [cel.FunctionDecl(name, found) for name, found in by_name.items()])


@lru_cache(maxsize=64)
def environment(variables: tuple[tuple[str, str], ...]) -> cel.Env:
    """The environment for variables, each with its type as CEL writes it: `dyn`, `int`, `list(string)`."""
    lines = "".join(f"  - name: {name}\n    version: {version}\n" for name, version in _EXTENSIONS)
    config = cel.NewEnvConfigFromYaml(f"name: kubernetes\nextensions:\n{lines}")
    types = {name: _type(kind) for name, kind in variables}
    return cel.NewEnv(config=config, variables=types, extensions=[_library()])
