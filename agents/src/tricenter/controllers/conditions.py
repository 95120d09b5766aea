"""Lists of conditions in a status."""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import times

Object = dict[str, Any]


def get(conditions: list[Object], kind: str) -> Object | None:
    """The condition of type `kind`."""
    return next((item for item in conditions if item["type"] == kind), None)


def removed(conditions: list[Object], kind: str) -> list[Object]:
    """The list without `kind`."""
    return [item for item in conditions if item["type"] != kind]


def updated(
    conditions: list[Object], kind: str, status: str, reason: str, message: str, *, update_time: bool = False
) -> list[Object]:
    """The list with `kind` set; the transition time moves only with the status.

    Deployments also carry a `lastUpdateTime` (`update_time`), which moves when anything changes.
    """
    old = get(conditions, kind)
    if old is not None and (old["status"], old.get("reason"), old.get("message")) == (status, reason, message):
        return conditions
    moment = times.now_rfc3339()
    same = old is not None and old["status"] == status
    new: Object = {"type": kind, "status": status, "reason": reason, "message": message}
    new["lastTransitionTime"] = (old or {}).get("lastTransitionTime", moment) if same else moment
    if update_time:
        new["lastUpdateTime"] = moment
    return [*removed(conditions, kind), new]
