"""Services: an update that does not name addresses and node ports keeps those there are (pkg/registry/core/service)."""

from __future__ import annotations

from tricenter.apiserver.registry import addresses, nodeports
from tricenter.apiserver.registry.strategy import Object, Strategy


class ServiceStrategy(Strategy):
    """What is allocated stays allocated."""

    returns_deleted = True

    def prepare_update(self, old: Object, new: Object) -> None:
        super().prepare_update(old, new)
        addresses.keep(old, new)
        nodeports.keep(old, new)
