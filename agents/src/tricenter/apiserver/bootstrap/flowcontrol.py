"""Which FlowSchemas and PriorityLevelConfigurations get back what they said (pkg/registry/flowcontrol/ensurer).

Those that every cluster must have always do; those that upstream only suggests until somebody takes them over: with
the annotation `apf.kubernetes.io/autoupdate-spec: "false"`.
"""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery.validation.flowcontrol import MANDATORY
from tricenter.apiserver.flow.defaults import AUTOUPDATE, GROUP

__all__ = ["GROUP", "differs", "restored"]

Object = dict[str, Any]


def differs(present: Object, wanted: Object) -> bool:
    """Whether an object is to be written again."""
    return _looked_after(present) and _fixed(present) != _fixed(wanted)


def _looked_after(present: Object) -> bool:
    metadata = present["metadata"]
    chosen = (metadata.get("annotations") or {}).get(AUTOUPDATE)
    if metadata["name"] in MANDATORY:
        return True
    return bool(chosen == "true" if chosen is not None else metadata.get("generation") == 1)


def _fixed(obj: Object) -> Object:
    """What of a spec is not the administrator's choice: how much the exempt level lends is."""
    return {key: value for key, value in obj["spec"].items() if key != "exempt"}


def restored(present: Object, wanted: Object) -> Object:
    """The object with the spec that it should have."""
    metadata = {**present["metadata"], "generation": present["metadata"].get("generation", 0) + 1}
    tuned = {key: value for key, value in present["spec"].items() if key == "exempt" and key in wanted["spec"]}
    return {**present, "metadata": metadata, "spec": {**wanted["spec"], **tuned}}
