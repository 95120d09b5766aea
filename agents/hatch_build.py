"""Build hook: takes the OpenAPI definitions of one Kubernetes level out of the kubernetes-validate package.

That package has 17,000 files for thirteen levels; the wheel carries the one file it needs.
"""

from importlib import resources
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LEVEL = "v1.33.0-local"
TARGET = "src/tricenter/apimachinery/definitions.json"


class DefinitionsHook(BuildHookInterface):  # type: ignore[type-arg] # hatchling's parameter is internal
    """Places definitions.json before the wheel is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's interface
        """Write the file where the wheel's file list expects it."""
        source = resources.files("kubernetes_validate").joinpath("kubernetes-json-schema", LEVEL, "_definitions.json")
        Path(self.root, TARGET).write_bytes(source.read_bytes())
        build_data["artifacts"].append(TARGET)
