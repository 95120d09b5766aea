"""One leader among the copies of an agent, by a Lease (client-go's leaderelection, KEP-589).

Safety does not need clocks that agree: a candidate takes a lease over only after it has itself seen no renewal for the
lease's whole duration, and a leader that could not renew for `renew_deadline` stops leading before that can happen.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tricenter.apimachinery import times
from tricenter.client import errors
from tricenter.client.api import Client
from tricenter.client.resources import LEASES
from tricenter.runtime import tasks

_log = logging.getLogger(__name__)


class LeadershipLostError(tasks.EndAgentError):
    """The lease could not be renewed in time; the agent must stop at once and start anew as a candidate."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """All in seconds; lease > renew_deadline > retry."""

    lease: float = 15.0
    """How long the others wait after the last renewal before they take over."""
    renew_deadline: float = 10.0
    """How long a leader goes on trying to renew before it steps down."""
    retry: float = 2.0
    """Time between two attempts to renew or to acquire."""

    @property
    def attempt(self) -> float:
        """How long one attempt may take: several must fit before the deadline."""
        return self.renew_deadline / 3


@dataclasses.dataclass
class Observed:
    """The lease as a candidate last saw it change, on the candidate's own clock."""

    spec: dict[str, Any] = dataclasses.field(default_factory=dict)
    since: float = 0.0

    def note(self, spec: dict[str, Any], now: float) -> None:
        """Remember `spec`; a renewal restarts the wait."""
        if spec != self.spec:
            self.spec, self.since = spec, now

    def vacant(self, identity: str, now: float) -> bool:
        """Whether `identity` may take the lease."""
        holder = self.spec.get("holderIdentity")
        expired = now - self.since >= float(self.spec.get("leaseDurationSeconds") or 0)
        return not holder or holder == identity or expired


class LeaderElection:
    """`await LeaderElection(api, "scheduler", host).run(lead)` calls `lead` while this process is the leader."""

    def __init__(
        self, api: Client, name: str, identity: str, namespace: str = "kube-system", *, timing: Timing | None = None
    ) -> None:
        self._api = api
        self._name, self._namespace, self._identity = name, namespace, identity
        self._timing = timing or Timing()
        self._observed = Observed()
        self._lease: dict[str, Any] | None = None
        self.leading = False

    async def run(self, on_leading: Callable[[], Awaitable[None]]) -> None:
        """Wait for the lease, then run `on_leading` until it ends or is cancelled, and give the lease up.

        Raises LeadershipLostError, after `on_leading` was cancelled, when the lease is lost.
        """
        await self._acquire()
        _log.info("became the leader", extra={"object": self._name})
        self.leading = True
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew())
                await on_leading()
                renewing.cancel()
        except ExceptionGroup as failures:
            lost = failures.subgroup(LeadershipLostError)
            if lost is not None:
                raise lost.exceptions[0] from failures
            raise
        finally:
            self.leading = False
            await self._release()

    async def _acquire(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._timing.attempt):
                    if await self._try(time.monotonic()):
                        return
            except (errors.Conflict, errors.AlreadyExists):
                pass  # another candidate was faster
            except (errors.ClientError, TimeoutError) as error:
                _log.warning("cannot ask for the lease: %s", str(error) or "no answer", extra={"object": self._name})
            await asyncio.sleep(self._timing.retry * random.uniform(1.0, 1.2))  # noqa: S311 - jitter is no secret

    async def _renew(self) -> None:
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(self._timing.retry)
            try:
                async with asyncio.timeout(self._timing.attempt):
                    if not await self._try(time.monotonic()):
                        raise LeadershipLostError(f"{self._name}: {self._observed.spec.get('holderIdentity')} leads")
                renewed = time.monotonic()
            except (errors.ClientError, TimeoutError) as error:
                _log.warning("cannot renew the lease: %s", str(error) or "no answer", extra={"object": self._name})
                if time.monotonic() - renewed >= self._timing.renew_deadline:
                    raise LeadershipLostError(f"{self._name}: not renewed in time") from error

    async def _try(self, now: float) -> bool:
        """Acquire or renew; True if the lease is ours now."""
        lease = self._lease if self.leading and self._lease is not None else await self._read()
        if lease is None:
            spec = self._spec({})
            obj = {"metadata": {"name": self._name, "namespace": self._namespace}, "spec": spec}
            self._lease = await self._api.create(LEASES, obj)
            return True
        self._observed.note(lease.get("spec") or {}, now)
        if not self._observed.vacant(self._identity, now):
            self._lease = None
            return False
        try:
            self._lease = await self._api.update(LEASES, lease | {"spec": self._spec(lease.get("spec") or {})})
        except (errors.ClientError, asyncio.CancelledError):
            self._lease = None  # what is stored is not known now: read it before the next attempt
            raise
        self._observed.note(self._lease["spec"], now)
        return True

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self._api.get(LEASES, self._name, self._namespace)
        except errors.NotFound:
            return None

    def _spec(self, old: dict[str, Any]) -> dict[str, Any]:
        now = times.now_micro()
        ours = old.get("holderIdentity") == self._identity
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._timing.lease)),
            "acquireTime": old.get("acquireTime") if ours else now,
            "renewTime": now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if ours or not old else 1),
        }

    async def _release(self) -> None:
        """Let the next candidate lead at once instead of after the lease's duration."""
        if self._lease is None:
            return
        spec = self._lease["spec"] | {"holderIdentity": "", "leaseDurationSeconds": 1}
        with contextlib.suppress(errors.ClientError, TimeoutError):
            async with asyncio.timeout(self._timing.retry):
                await self._api.update(LEASES, self._lease | {"spec": spec})
