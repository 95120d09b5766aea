"""Puts the kubelet together and runs it."""

import asyncio
import contextlib
import logging
from typing import Any

import aiohttp

from tricenter.apimachinery import mirrorpods
from tricenter.client import Client, Informer, resources
from tricenter.client.events import Recorder
from tricenter.kubelet.config import Config
from tricenter.kubelet.cri.client import CriError, Runtime
from tricenter.kubelet.cri.observer import Observer
from tricenter.kubelet.node import machine as machines
from tricenter.kubelet.node import objects as node_objects
from tricenter.kubelet.node.housekeeping import Housekeeping
from tricenter.kubelet.node.network import PodNetwork
from tricenter.kubelet.node.registration import Registration
from tricenter.kubelet.objects import Objects
from tricenter.kubelet.pods import cgroups, spec
from tricenter.kubelet.pods.hooks import Hooks
from tricenter.kubelet.pods.images import Images
from tricenter.kubelet.pods.manager import Pods
from tricenter.kubelet.pods.node import PodNode
from tricenter.kubelet.pods.paths import Paths
from tricenter.kubelet.pods.starter import Starter
from tricenter.kubelet.pods.statuses import Statuses
from tricenter.kubelet.pods.stopper import Stopper
from tricenter.kubelet.pods.worker import Worker
from tricenter.kubelet.probes.checks import Checks
from tricenter.kubelet.probes.prober import Prober
from tricenter.kubelet.recording import recorder
from tricenter.kubelet.server.app import Server
from tricenter.kubelet.sources.files import Mirrors, StaticPods
from tricenter.kubelet.volumes.manager import Volumes
from tricenter.runtime import notify, tasks

Object = dict[str, Any]

_RUNTIME_WAIT_SECONDS = 1.0
_NETWORK_RETRY_SECONDS = 5.0

_log = logging.getLogger(__name__)


async def run(config: Config, *, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Pods go on without us, and the next start finds them again."""
    async with contextlib.AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(Runtime(config.runtime_endpoint))
        api = await stack.enter_async_context(Client(config.api)) if config.api else None
        connector = aiohttp.TCPConnector(ssl=False, force_close=True)  # probes trust any certificate, as upstream
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        await _wait_for(runtime, stop)
        if stop.is_set():
            return
        kubelet = Kubelet(config, runtime, api, http)
        try:
            await tasks.until(stop, *kubelet.tasks())
        finally:
            notify.stopping()
            await kubelet.close()


async def _wait_for(runtime: Runtime, stop: asyncio.Event) -> None:
    """The runtime may start after us."""
    while not stop.is_set():
        try:
            version = await runtime.version()
        except CriError as error:
            _log.warning("waiting for the runtime: %s", error)
            await asyncio.sleep(_RUNTIME_WAIT_SECONDS)
        else:
            _log.info("runtime %s %s", version.runtime_name, version.runtime_version)
            return


class Kubelet:
    """All parts of the agent, connected."""

    def __init__(self, config: Config, runtime: Runtime, api: Client | None, http: aiohttp.ClientSession) -> None:
        self._config = config
        self._api = api
        self._events = Recorder(api, "kubelet", config.node_name) if api else None
        self._network = PodNetwork(config.cni)
        self._wanted_cidr = config.pod_cidr or self._network.pod_cidr
        self._new_cidr = asyncio.Event()
        self._machine = machines.read(config.root_dir)
        self._pod_informer = self._informer(resources.PODS, f"spec.nodeName={config.node_name}")
        self._service_informer = self._informer(resources.SERVICES)
        self._node_informer = self._informer(resources.NODES, f"metadata.name={config.node_name}")
        self._node = self._pod_node()
        self._statuses = Statuses(api)
        self._record, self._objects = recorder(self._events), Objects(api)
        self._images = Images(runtime, self._record, self._objects.lookup)
        self._housekeeping = Housekeeping(config, runtime, self._images.used)
        self._prober = Prober(Checks(runtime, http), self._record, self._changed)
        self._pods, self._observer = self._assemble(runtime, http)
        self._static = (
            StaticPods(config.static_pod_path, config.node_name, self._pods.put, self._pods.drop)
            if config.static_pod_path
            else None
        )
        self._server = Server(config, runtime, self._pods, self._statuses)
        self._registration = (
            Registration(config, api, runtime, self._machine, self._network.missing) if api is not None else None
        )
        self._follow_sources()

    def tasks(self) -> list[Any]:
        """Everything that runs as long as the agent."""
        found = [
            self._pods.run(),
            self._pods.keep_house(),
            self._observer.follow_events(),
            self._observer.relist(),
            self._statuses.run(),
            self._serve(),
            self._server.sampler.run(),
            self._keep_network(),
            self._housekeeping.run(),
            notify.keep_alive(),
        ]
        informers = (self._pod_informer, self._service_informer, self._node_informer)
        found += [informer.run() for informer in informers if informer is not None]
        if self._static is not None:
            found.append(self._static.run())
        if self._registration is not None:
            found += [self._join(self._registration), self._registration.keep_lease()]
        if self._api and self._static and self._pod_informer:
            store = self._pod_informer.store
            found.append(Mirrors(self._api, self._static, lambda: list(store.values())).run())
        return found

    async def close(self) -> None:
        """Ask nothing any more, and say what is still to be said."""
        self._prober.close()
        if self._events is not None:
            await self._events.close()

    def _informer(self, res: resources.Resource, field_selector: str = "") -> Informer | None:
        return Informer(self._api, res, field_selector=field_selector) if self._api else None

    def _pod_node(self) -> PodNode:
        return PodNode(
            config=self._config,
            machine_memory=self._machine.memory,
            allocatable=node_objects.allocatable(self._config, self._machine),
            systemd_cgroups=cgroups.uses_systemd(self._config.cgroup_driver),
            services=self._services,
            network_ready=lambda: self._network.ready,
        )

    def _services(self) -> list[Object] | None:
        if self._service_informer is None:
            return []
        return list(self._service_informer.store.values()) if self._service_informer.synced else None

    def _assemble(self, runtime: Runtime, http: aiohttp.ClientSession) -> tuple[Pods, Observer]:
        record, paths, objects = self._record, Paths(self._config.root_dir), self._objects
        volumes, hooks = Volumes(paths, objects), Hooks(runtime, http)
        observer = Observer(runtime, self._changed, relist_seconds=self._config.relist_seconds)
        starter = Starter(
            runtime=runtime,
            images=self._images,
            volumes=volumes,
            objects=objects,
            hooks=hooks,
            node=self._node,
            paths=paths,
            record=record,
        )
        worker = Worker(
            observer=observer,
            starter=starter,
            stopper=Stopper(runtime, hooks, record),
            prober=self._prober,
            statuses=self._statuses,
            node=self._node,
            record=record,
        )
        pods = Pods(
            api=self._api,
            runtime=runtime,
            observer=observer,
            worker=worker,
            volumes=volumes,
            objects=objects,
            statuses=self._statuses,
            node=self._node,
            sources_ready=self._sources_ready,
        )
        return pods, observer

    def _changed(self, uid: str) -> None:
        self._pods.changed(uid)

    def _sources_ready(self) -> bool:
        """Whether a pod that no source names is really unwanted."""
        return (self._pod_informer is None or self._pod_informer.synced) and (
            self._static is None or self._static.scanned
        )

    def _follow_sources(self) -> None:
        if self._pod_informer is not None:
            self._pod_informer.add_handler(self._on_pod)
        if self._node_informer is not None:
            self._node_informer.add_handler(self._on_node)

    def _on_pod(self, event: str, _old: Object | None, pod: Object) -> None:
        if mirrorpods.is_mirror(pod):
            self._statuses.set_mirror(pod["metadata"]["annotations"][mirrorpods.MIRROR], pod)
        elif event == "DELETED":
            self._pods.drop(spec.uid(pod))
        else:
            self._pods.put(spec.from_api(pod))

    def _on_node(self, _event: str, _old: Object | None, node: Object) -> None:
        cidr = node["spec"].get("podCIDR")
        if cidr and cidr != self._wanted_cidr:
            self._wanted_cidr = cidr
            self._new_cidr.set()

    async def _keep_network(self) -> None:
        """Connect pods as soon as the node's range is known, and after a start with the range of the last time."""
        while True:
            self._new_cidr.clear()
            if self._wanted_cidr:
                try:
                    await self._network.set_pod_cidr(self._wanted_cidr)
                except OSError as error:
                    _log.error("pod network: %s", error)
                    await asyncio.sleep(_NETWORK_RETRY_SECONDS)
                    continue
                if self._registration is not None:
                    self._registration.hurry()
            await self._new_cidr.wait()

    async def _serve(self) -> None:
        async with self._server:
            # pods run from now on, with or without the API
            notify.ready()
            await asyncio.Event().wait()

    async def _join(self, registration: Registration) -> None:
        await registration.register()
        await registration.keep_status()
