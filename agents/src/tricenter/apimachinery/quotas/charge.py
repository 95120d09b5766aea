"""Whether a quota has room for what is about to be written (resourcequota CheckRequest)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from tricenter.apimachinery import amounts
from tricenter.apimachinery.amounts import Amounts
from tricenter.apimachinery.quotas.matching import matches
from tricenter.apimachinery.quotas.usage import Usage

Object = Mapping[str, Any]


class Refused(Exception):  # noqa: N818 - not an error of ours: the quota says no
    """The quota has no room, or cannot say whether it has."""


def charge(quota: Object, usage: Usage, obj: Object, old: Object | None, now: dt.datetime) -> Amounts:
    """What `obj` (in the place of `old`) adds to what the quota counts; nothing if it does not count it.

    What an update gives back is not taken off: the quota controller does that, when the object is stored. Raises
    Refused.
    """
    name, status = quota["metadata"]["name"], quota.get("status") or {}
    hard, used = amounts.of(status.get("hard")), amounts.of(status.get("used"))
    if not matches(quota, hard, usage, obj):
        return {}
    counted = usage.names(hard)
    if missing := usage.missing(obj, counted):
        raise Refused(f"failed quota: {name}: {missing}")
    if not counted <= used.keys():
        raise Refused(f"status unknown for quota: {name}, resources: {','.join(sorted(counted))}")
    wanted = usage.of(obj, now)
    negative = [item for item, amount in wanted.items() if amount.value < 0]
    if negative:
        raise Refused(f"quota usage is negative for resource(s): {','.join(sorted(negative))}")
    if old is not None and matches(quota, hard, usage, old):
        wanted = amounts.grown(wanted, usage.of(old, now))
    wanted = {item: amount for item, amount in wanted.items() if amount.value and item in hard}
    after = amounts.added(used, wanted)
    exceeded = [item for item in wanted if after[item].value > hard[item].value]
    if exceeded:
        parts = (f"{what}: {amounts.shown(amounts.masked(found, exceeded))}"
                 for what, found in (("requested", wanted), ("used", used), ("limited", hard)))  # fmt: skip
        raise Refused(f"exceeded quota: {name}, {', '.join(parts)}")
    return wanted
