"""The leader's work: addresses for Services, written to their status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, NoReturn

from tricenter.balancer import allocation, desired, services
from tricenter.balancer.config import Config
from tricenter.client import Client, Informer, errors, events, leader, resources

_log = logging.getLogger(__name__)


class Allocator:
    """Runs on every director; gives addresses on the one that leads."""

    def __init__(self, config: Config, api: Client, informer: Informer) -> None:
        self._pool = desired.pool_of(config)
        self._class = config.load_balancer_class
        self._name = config.director_name
        self._retry = config.retry_seconds
        self._api = api
        self._informer = informer
        self._told: set[tuple[str, str]] = set()
        self._refused: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._changed.set()
        self._recorder = events.Recorder(api, "tricenter-balancer", config.director_name)
        informer.add_handler(lambda _event, _old, _new: self._changed.set())

    async def run(self) -> NoReturn:
        """Be a candidate for ever. A lost lease ends the work of the leader, not what this director forwards."""
        while True:
            election = leader.LeaderElection(self._api, "tricenter-balancer", self._name)
            try:
                await election.run(self._lead)
            except leader.LeadershipLostError as error:
                _log.warning("not the leader any more: %s", error)

    async def _lead(self) -> None:
        await self._informer.wait_synced()
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._allocate()
            except errors.ClientError as error:
                _log.warning("cannot give addresses, trying again in %.0f s: %s", self._retry, error)
                await self._again_later()
            else:
                if self._refused:
                    await self._again_later()

    async def _again_later(self) -> None:
        """Look at everything again after a while, or sooner when something changes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._retry):
                await self._changed.wait()
        self._changed.set()

    async def _allocate(self) -> None:
        plan = self._plan(list(self._informer.store.values()))
        if plan.assignments:
            # The copy in memory may lag behind our own writes; an address must not be given twice.
            plan = self._plan((await self._api.list(resources.SERVICES)).items)
        refused: dict[str, str] = {}
        for assignment in plan.assignments:
            try:
                await self._assign(assignment)
            except errors.Conflict:
                self._changed.set()  # somebody wrote that Service meanwhile: look again
            except (errors.BadRequest, errors.Forbidden, errors.Invalid, errors.ServerError) as error:
                refused[services.key_of(assignment.service)] = str(error)
                self._tell_refused(assignment.service, str(error))
        self._refused = refused
        self._tell(plan)

    def _tell_refused(self, service: services.Object, reason: str) -> None:
        """Say once that the API does not take the status of this Service; the others' are written all the same."""
        key = services.key_of(service)
        if self._refused.get(key) != reason:
            _log.warning("its status cannot be written until this is mended: %s", reason, extra={"object": key})
            self._event(service, events.WARNING, "AllocationFailed", f"the status is refused: {reason}")

    def _plan(self, everything: list[dict[str, Any]]) -> allocation.Plan:
        return allocation.plan(everything, self._pool, self._class)

    async def _assign(self, assignment: allocation.Assignment) -> None:
        metadata = assignment.service["metadata"]
        ingress = [{"ip": assignment.address, "ipMode": "VIP"}] if assignment.address else None
        patch = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]},
            "status": {"loadBalancer": {"ingress": ingress}},
        }
        try:
            await self._api.patch(
                resources.SERVICES, metadata["name"], patch, metadata["namespace"], subresource="status"
            )
        except errors.NotFound:
            return
        key = services.key_of(assignment.service)
        _log.info("address %s", assignment.address or "released", extra={"object": key})
        if assignment.address:
            self._event(assignment.service, events.NORMAL, "AddressAssigned", f"address {assignment.address}")

    def _tell(self, plan: allocation.Plan) -> None:
        """Say once why a Service has no address."""
        told = {(services.key_of(refusal.service), refusal.reason) for refusal in plan.refusals}
        for refusal in plan.refusals:
            key = services.key_of(refusal.service)
            if (key, refusal.reason) not in self._told:
                _log.warning("no address: %s", refusal.reason, extra={"object": key})
                self._event(refusal.service, events.WARNING, "AllocationFailed", refusal.reason)
        self._told = told

    def _event(self, service: services.Object, kind: str, reason: str, message: str) -> None:
        obj = {"apiVersion": "v1", "kind": "Service"} | dict(service)
        self._recorder.event(obj, kind, reason, message)
