"""Sends the agents' wheel only to machines that lack it."""

from __future__ import annotations

import base64
import hashlib
import pathlib
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """The control host's half of the module `agents`."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Compare checksums; where the wheel is wanted, a second call carries it."""
        super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            argument_spec={
                "path": {"type": "str", "default": "/opt/tricenter/venv"},
                "requirements": {"type": "str", "required": True},
                "wheel": {"type": "str", "required": True},
                "wheelhouse": {"type": "str"},
            }
        )
        requirements, wheel = pathlib.Path(arguments["requirements"]), pathlib.Path(arguments["wheel"])
        if not wheel.exists() and self._task.check_mode:
            # In check mode on a virgin control host the wheel has not been built.
            return {"changed": True, "updated": ["wheel"]}
        if not wheel.exists():
            raise AnsibleActionFail(f"there is no wheel at {wheel}; the module `wheel` builds it")
        content = wheel.read_bytes()
        module_arguments = {
            "path": arguments["path"],
            "wheelhouse": arguments["wheelhouse"],
            "requirements": requirements.read_text(),
            "wheel_checksum": hashlib.sha256(content).hexdigest(),
        }
        result = self._call(module_arguments, task_vars)
        if result.get("failed") or "wheel" not in result["updated"] or self._task.check_mode:
            return result
        sent = self._call({**module_arguments, "wheel_content": base64.b64encode(content).decode()}, task_vars)
        if not sent.get("failed"):
            sent["updated"] = result["updated"]
        return sent

    def _call(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        return dict(self._execute_module(module_name="agents", module_args=arguments, task_vars=task_vars))
