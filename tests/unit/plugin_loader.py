"""Loads a plugin of this repository as a module; plugins lie in folders that are no packages."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from ansible import module_utils

PLUGINS = Path(__file__).parents[2] / "plugins"


def load(path: str) -> ModuleType:
    """The module at a path below plugins/, such as `filter/site.py`.

    What lies in module_utils/ can then be imported by modules, as Ansible provides it on a machine.
    """
    name = "plugin_" + path.removesuffix(".py").replace("/", "_")
    spec = importlib.util.spec_from_file_location(name, PLUGINS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    if path.startswith("module_utils/"):
        sys.modules[f"ansible.module_utils.{Path(path).stem}"] = module
        setattr(module_utils, Path(path).stem, module)
    return module
