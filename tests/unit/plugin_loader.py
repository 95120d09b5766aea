"""Loads a plugin of this repository as a module; plugins lie in folders that are no packages."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PLUGINS = Path(__file__).parents[2] / "plugins"


def load(path: str) -> ModuleType:
    """The module at a path below plugins/, such as `filter/site.py`."""
    name = "plugin_" + path.removesuffix(".py").replace("/", "_")
    spec = importlib.util.spec_from_file_location(name, PLUGINS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
