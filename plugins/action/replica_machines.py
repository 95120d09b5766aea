"""Make the machines and cables of the inventory exist and answer. Runs on the control host."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "replica"))

from tricenter_replica import image, inventory, machines, plan, probe, state  # noqa: E402 -- found through the line above


class ActionModule(ActionBase):  # type: ignore[misc] -- ansible-core is not typed
    """The task `replica_machines`."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `changed` and the list `changes`."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            changes = self._converge(task_vars or {})
        except (machines.MachineError, plan.PlanError, state.BusyError) as error:
            raise AnsibleError(str(error)) from error
        return {**result, "changed": bool(changes), "changes": changes}

    def _converge(self, variables: dict[str, Any]) -> list[str]:
        folder = inventory.state(variables)
        site = inventory.site(variables)
        features = probe.features(site)
        wanted = image.recipe(CHECKOUT, virtual=features.needs_kernel(site))
        golden = image.find(folder, wanted)
        check = self._task.check_mode
        if golden is None:
            if check:
                return ["every machine: the image is to be built first"]
            raise AnsibleError("there is no golden image: run the whole of replica/up.yml")
        with folder.lock(Display().display):
            wanted_machines = machines.Machines(folder, site, golden, features)
            changes = list(wanted_machines.converge(Display().display, check=check).changes)
            if not check:
                image.use(folder, golden)
        return changes
