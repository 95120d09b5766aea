"""Registers the node, keeps its status and renews its lease (KEP-589)."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cri_api.v1 import api_pb2 as cri

from tricenter.apimachinery import quantity, times
from tricenter.client import Client, errors, resources
from tricenter.kubelet.config import Config
from tricenter.kubelet.cri.client import CriError, Runtime
from tricenter.kubelet.node import machine as machines
from tricenter.kubelet.node import objects
from tricenter.kubelet.node.machine import Machine

Object = dict[str, Any]

LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
RENEW_SECONDS = 10.0
REPORT_SECONDS = 300.0
_RETRY_SECONDS = 2.0
_DISK_LEAST_FREE = 0.10
_INODES_LEAST_FREE = 0.05

_log = logging.getLogger(__name__)


class Registration:
    """The node's presence in the API."""

    def __init__(
        self, config: Config, api: Client, runtime: Runtime, machine: Machine, network_missing: Callable[[], str]
    ) -> None:
        self._config = config
        self._api = api
        self._runtime = runtime
        self._machine = machine
        self._network_missing = network_missing
        self._node: Object = {}
        self._written: Object = {}
        self._written_at = 0.0
        self._hurry = asyncio.Event()
        self._registered = asyncio.Event()

    def hurry(self) -> None:
        """Look at the status now: something that it depends on has changed."""
        self._hurry.set()

    async def register(self) -> Object:
        """Create the node, or give an existing one our labels; tries until the API answers."""
        wanted = objects.node(self._config, self._machine)
        while True:
            try:
                self._node = await self._create_or_label(wanted)
            except errors.ClientError as error:
                _log.warning("cannot register the node: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._registered.set()
                _log.info("registered", extra={"object": self._config.node_name})
                return self._node

    async def keep_status(self) -> None:
        """Write the status when it changes, and every five minutes, for ever."""
        while True:
            try:
                await self._report()
            except errors.ClientError as error:
                _log.warning("status of the node not written: %s", error)
            self._hurry.clear()
            try:
                async with asyncio.timeout(self._config.status_seconds):
                    await self._hurry.wait()
            except TimeoutError:
                continue

    async def keep_lease(self) -> None:
        """Renew the lease for ever; its age is what tells others that this node is alive.

        The lease is owned by the node, so there is none before the node is registered.
        """
        await self._registered.wait()
        while True:
            pause = RENEW_SECONDS
            try:
                await self._renew()
            except errors.ClientError as error:
                _log.warning("lease not renewed: %s", error)
                pause = _RETRY_SECONDS
            await asyncio.sleep(pause)

    async def _create_or_label(self, wanted: Object) -> Object:
        name = self._config.node_name
        try:
            return await self._api.create(resources.NODES, wanted)
        except errors.AlreadyExists:
            patch = {"metadata": {"labels": wanted["metadata"]["labels"]}}
            return await self._api.patch(resources.NODES, name, patch)

    async def _report(self) -> None:
        status = await self._status()
        now = asyncio.get_running_loop().time()
        bare = objects.without_heartbeat(status)
        if bare == self._written and now - self._written_at < REPORT_SECONDS:
            return
        try:
            self._node = await self._api.patch(
                resources.NODES, self._config.node_name, {"status": status}, subresource="status"
            )
        except errors.NotFound:
            # somebody deleted the node while it is alive: it comes back
            await self.register()
            return
        self._written, self._written_at = bare, now

    async def _status(self) -> Object:
        meminfo = await asyncio.to_thread(Path("/proc/meminfo").read_text)
        blocks, inodes = machines.disk_free(self._config.root_dir)
        running, most = machines.processes()
        found = {
            "MemoryPressure": machines.memory_available(meminfo) < quantity.to_int(self._config.reserved.memory) // 2,
            "DiskPressure": blocks < _DISK_LEAST_FREE or inodes < _INODES_LEAST_FREE,
            "PIDPressure": running > most * 0.9,
        }
        version, images, missing = await self._ask_runtime()
        return objects.status(
            self._config,
            self._machine,
            runtime=version,
            images=images,
            found=found,
            not_ready=missing or self._network_missing(),
            old=(self._node.get("status") or {}).get("conditions") or [],
            now=times.now(),
        )

    async def _ask_runtime(self) -> tuple[cri.VersionResponse | None, list[cri.Image], str]:
        """Version and images of the runtime, and what it lacks."""
        try:
            conditions = await self._runtime.conditions()
            ready, words = conditions.get("RuntimeReady", (False, "no answer"))
            missing = "" if ready else f"container runtime is not ready: {words}"
            return await self._runtime.version(), await self._runtime.images(), missing
        except CriError as error:
            return None, [], f"container runtime is down: {error}"

    async def _renew(self) -> None:
        name = self._config.node_name
        renewed = {
            "spec": {"renewTime": times.now_micro(), "holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS}
        }
        try:
            await self._api.patch(resources.LEASES, name, renewed, LEASE_NAMESPACE)
        except errors.NotFound:
            owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": self._node["metadata"]["uid"]}
            metadata = {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]}
            await self._api.create(resources.LEASES, {"metadata": metadata, **renewed})
