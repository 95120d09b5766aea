"""Remove the replica's machines and cables, and what they left on the host. Runs on the control host."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "replica"))

from tricenter_replica import down, inventory, state  # noqa: E402 -- found through the line above


class ActionModule(ActionBase):  # type: ignore[misc] -- ansible-core is not typed
    """The task `replica_absent`."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `changed` and the list `removed`."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        folder = inventory.state(task_vars or {})
        try:
            with folder.lock(Display().display):
                removed = down.down(folder, check=self._task.check_mode)
        except state.BusyError as error:
            raise AnsibleError(str(error)) from error
        return {**result, "changed": bool(removed), "removed": removed}
