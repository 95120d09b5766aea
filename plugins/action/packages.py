"""Calls apt only where dpkg says that a package is missing."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

# 101: "action forbidden by policy", see invoke-rc.d(8).
POLICY_NO_START = 101

# A package list younger than this is good enough.
PACKAGE_LIST_SECONDS = 3600


class ActionModule(ActionBase):
    """The control host's half of the module `packages`."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask dpkg; install what is missing unless in check mode."""
        super().run(tmp, task_vars)
        asked = self._execute_module(module_name="packages", module_args=self._task.args, task_vars=task_vars)
        if asked.get("failed") or not asked["missing"] or self._task.check_mode:
            return dict(asked)
        installed = self._execute_module(
            module_name="ansible.builtin.apt",
            module_args={
                "name": asked["missing"],
                "state": "present",
                "install_recommends": False,
                "update_cache": True,
                "cache_valid_time": PACKAGE_LIST_SECONDS,
                "policy_rc_d": POLICY_NO_START,
                "lock_timeout": 120,
            },
            task_vars=task_vars,
        )
        return {**installed, "missing": asked["missing"]}
