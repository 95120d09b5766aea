"""The controllers agent: the leader runs every controller over one set of informers."""

from __future__ import annotations

import asyncio
import logging

from tricenter.client import Client
from tricenter.client.events import Recorder
from tricenter.client.leader import LeaderElection
from tricenter.controllers.admissionpolicies import AdmissionPolicyStatus
from tricenter.controllers.autoscalers import Autoscalers
from tricenter.controllers.certificates import CertificateApproval, CertificateCleaner, CertificateSigning
from tricenter.controllers.clusterroles import ClusterRoleAggregation
from tricenter.controllers.config import Config
from tricenter.controllers.context import Context, Controller, Informers
from tricenter.controllers.cronjobs import CronJobs
from tricenter.controllers.daemonsets import DaemonSets
from tricenter.controllers.deployments import Deployments
from tricenter.controllers.disruptions import Disruptions
from tricenter.controllers.endpointslices import EndpointSlices
from tricenter.controllers.flowschemas import FlowSchemas
from tricenter.controllers.garbage_collector import GarbageCollector
from tricenter.controllers.jobs import Jobs
from tricenter.controllers.namespaces import Namespaces
from tricenter.controllers.node_ipam import NodeIPAM
from tricenter.controllers.node_lifecycle import NodeLifecycle
from tricenter.controllers.podgc import PodGC
from tricenter.controllers.replicasets import ReplicaSets, ReplicationControllers
from tricenter.controllers.resourcequotas import ResourceQuotas
from tricenter.controllers.serviceaccounts import NamespaceFurniture
from tricenter.controllers.statefulsets import StatefulSets
from tricenter.controllers.tokens import TokenCleaner
from tricenter.runtime import metrics, notify, tasks

LEASE = "kube-controller-manager"

CONTROLLERS: tuple[type[Controller], ...] = (
    NodeIPAM,
    NodeLifecycle,
    NamespaceFurniture,
    Namespaces,
    ReplicaSets,
    ReplicationControllers,
    Deployments,
    DaemonSets,
    StatefulSets,
    Jobs,
    CronJobs,
    Autoscalers,
    EndpointSlices,
    GarbageCollector,
    PodGC,
    ResourceQuotas,
    Disruptions,
    AdmissionPolicyStatus,
    ClusterRoleAggregation,
    CertificateApproval,
    CertificateSigning,
    CertificateCleaner,
    TokenCleaner,
    FlowSchemas,
)

_log = logging.getLogger(__name__)


async def run(config: Config, *, stop: asyncio.Event) -> None:
    """Take part in the election, and control while leading, until `stop` is set."""
    async with Client(config.api) as api, metrics.serve_if(config.metrics_address, config.metrics_port):
        recorder = Recorder(api, "controllers", config.identity)

        async def lead() -> None:
            notify.status("leader")
            await control(Context(api, Informers(api), recorder, config))

        notify.ready()
        notify.status("candidate")
        election = LeaderElection(api, LEASE, config.identity)
        await tasks.until(stop, election.run(lead), notify.keep_alive())
        await recorder.close()


async def control(context: Context) -> None:
    """Run every controller until cancelled."""
    controllers = [make(context) for make in CONTROLLERS]
    async with asyncio.TaskGroup() as group:
        await context.informers.run(group)
        _log.info("informers are synced")
        for controller in controllers:
            name = type(controller).__name__
            group.create_task(tasks.guard(controller.run(), name), name=name)
