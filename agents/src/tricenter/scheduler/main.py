"""The scheduler agent: informers run always, so that a new leader knows the site at once; only the leader decides."""

from __future__ import annotations

import asyncio

from tricenter.client import Client, Informer, resources
from tricenter.client.events import Recorder
from tricenter.client.leader import LeaderElection
from tricenter.runtime import metrics, notify, tasks
from tricenter.scheduler.backlog import Backlog
from tricenter.scheduler.config import Config
from tricenter.scheduler.cycle import Cycle
from tricenter.scheduler.siblings import Finder
from tricenter.scheduler.state import State
from tricenter.scheduler.watching import Watching

LEASE = "kube-scheduler"


async def run(config: Config, *, stop: asyncio.Event) -> None:
    """Place pods until `stop` is set."""
    async with Client(config.api) as api, metrics.serve_if(config.metrics_address, config.metrics_port):
        state, backlog = State(), Backlog()
        watching = Watching(state, backlog, config.scheduler_name)
        nodes = Informer(api, resources.NODES)
        namespaces = Informer(api, resources.NAMESPACES)
        pods = Informer(api, resources.PODS)
        services = Informer(api, resources.SERVICES)
        owners = {res.kind: Informer(api, res) for res in (resources.REPLICASETS, resources.STATEFULSETS)}
        services.add_index("namespace", lambda obj: [obj["metadata"]["namespace"]])
        nodes.add_handler(watching.node)
        namespaces.add_handler(watching.namespace)
        pods.add_handler(watching.pod)
        informers = [nodes, namespaces, pods, services, *owners.values()]
        recorder = Recorder(api, config.scheduler_name, config.identity)
        finder = Finder(services, {kind: informer.store for kind, informer in owners.items()})
        cycle = Cycle(api, state, backlog, recorder, finder)

        async def lead() -> None:
            for informer in informers:
                await informer.wait_synced()
            notify.status("leader")
            await cycle.run()

        notify.ready()
        notify.status("candidate")
        election = LeaderElection(api, LEASE, config.identity)
        await tasks.until(stop, *(informer.run() for informer in informers), election.run(lead), notify.keep_alive())
        await recorder.close()
