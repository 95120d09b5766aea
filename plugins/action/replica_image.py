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

from tricenter_replica import bake, image, inventory, machines, plan, probe, state, warm  # noqa: E402 -- found through the line above


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
            if self._task.check_mode:
                missing = image.find(folder, wanted) is None
            else:
                missing = self._get(folder, site, features, wanted)
        except (bake.BakeError, warm.WarmError, plan.PlanError, state.BusyError) as error:
            raise AnsibleError(str(error)) from error
        return {**result, "changed": missing, "key": wanted.key}

    @staticmethod
    def _get(folder: state.State, site: plan.Site, features: probe.Features, wanted: image.Recipe) -> bool:
        """Make what is missing of the image and of the booted machine that is kept with it; return whether any was."""
        with folder.lock(Display().display):
            golden = image.find(folder, wanted)
            missing = golden is None
            if golden is None:
                golden = image.build(folder, CHECKOUT, wanted, Display().display)
            return machines.keep_warm(folder, site, golden, features) or missing
