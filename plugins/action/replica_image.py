"""Build the golden image of the replica's machines if it is not there yet. Runs on the control host."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "replica"))

from tricenter_replica import bake, image, inventory, plan, probe, state  # noqa: E402 -- found through the line above


class ActionModule(ActionBase):  # type: ignore[misc] -- ansible-core is not typed
    """The task `replica_image`."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `changed` and the image's `key`."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        try:
            folder = inventory.state(variables)
            features = probe.features(site := inventory.site(variables))
            wanted = image.recipe(CHECKOUT, virtual=features.needs_kernel(site))
            missing = image.find(folder, wanted) is None
            if missing and not self._task.check_mode:
                with folder.lock():
                    image.build(folder, CHECKOUT, wanted, Display().display)
        except (bake.BakeError, plan.PlanError, state.BusyError) as error:
            raise AnsibleError(str(error)) from error
        return {**result, "changed": missing, "key": wanted.key}
