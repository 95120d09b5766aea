"""The OpenAPI definitions of level 1.33, read once and only when somebody asks.

They come from the kubernetes-validate package: its build hook (agents/hatch_build.py) puts the one file of our level
next to this package. A source checkout has no such file; there it is read from the installed package.
"""

from functools import lru_cache
from importlib import resources
from typing import Any

import orjson

from tricenter.apimachinery.schema import metrics

LEVEL = "1.33"
_PACKAGED = "definitions.json"
_DEVELOPMENT = ("kubernetes-json-schema", f"v{LEVEL}.0-local", "_definitions.json")


def _raw() -> bytes:
    packaged = resources.files("tricenter.apimachinery").joinpath(_PACKAGED)
    if packaged.is_file():
        return packaged.read_bytes()
    return resources.files("kubernetes_validate").joinpath(*_DEVELOPMENT).read_bytes()


@lru_cache(maxsize=1)
def load() -> dict[str, dict[str, Any]]:
    """Definition name → schema, as shipped: types carry `null`, references start with `#/$defs/`. Do not change it."""
    definitions: dict[str, dict[str, Any]] = orjson.loads(_raw())["$defs"]
    return {**definitions, **metrics.DEFINITIONS}
