"""Puts the parts of the server together."""

from __future__ import annotations

from dataclasses import dataclass

from tricenter.apiserver.admission import connecting
from tricenter.apiserver.admission.chain import Admission
from tricenter.apiserver.admission.instruments import AdmissionMetrics
from tricenter.apiserver.admission.plugins import plugins
from tricenter.apiserver.aggregation.apiservices import ApiServices
from tricenter.apiserver.aggregation.availability import Availability
from tricenter.apiserver.aggregation.proxy import Aggregator
from tricenter.apiserver.aggregation.registration import Registration
from tricenter.apiserver.aggregation.transport import Transport
from tricenter.apiserver.audit import policy
from tricenter.apiserver.audit.log import AuditLog
from tricenter.apiserver.audit.trail import Auditor
from tricenter.apiserver.auth.authenticate import Authenticator
from tricenter.apiserver.auth.authorize import Authorizer
from tricenter.apiserver.auth.node import NodeAuthorizer
from tricenter.apiserver.auth.rbac import Index
from tricenter.apiserver.auth.reviews import Reviews
from tricenter.apiserver.auth.tokens import Signer, Verifier, load_public
from tricenter.apiserver.backends import Backends
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.cache.mirror import Mirror
from tricenter.apiserver.config import AuditConfig, Config
from tricenter.apiserver.discovery.endpoints import VERSION, Discovery
from tricenter.apiserver.discovery.issuer import Issuer
from tricenter.apiserver.extensions.controller import DefinitionController
from tricenter.apiserver.extensions.serving import Extensions
from tricenter.apiserver.flow.limits import Limits
from tricenter.apiserver.flow.watching import FlowMetrics
from tricenter.apiserver.health import Health
from tricenter.apiserver.instruments import Instruments
from tricenter.apiserver.registry.allocation import Allocation
from tricenter.apiserver.resources import Resources
from tricenter.apiserver.rest.changes import Changes
from tricenter.apiserver.rest.deleting import Deleting
from tricenter.apiserver.rest.evicting import Eviction
from tricenter.apiserver.rest.kubelets import Kubelets
from tricenter.apiserver.rest.proxying import Proxying
from tricenter.apiserver.rest.reads import Reads
from tricenter.apiserver.rest.router import Handler, Route, Router
from tricenter.apiserver.rest.subresources import Subresources
from tricenter.apiserver.rest.tokenrequest import TokenRequests
from tricenter.apiserver.rest.watching import Watching
from tricenter.apiserver.rest.writes import Writes
from tricenter.apiserver.server import Server
from tricenter.apiserver.storage import encryption
from tricenter.apiserver.storage.etcd import Etcd
from tricenter.apiserver.storage.leases import Leases
from tricenter.apiserver.storage.store import Store
from tricenter.apiserver.usage.components import Components
from tricenter.apiserver.usage.serving import Metrics


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What `main` has to start, watch and stop."""

    config: Config
    etcd: Etcd
    store: Store
    mirror: Mirror
    fresh: Freshness
    resources: Resources
    extensions: Extensions
    definitions: DefinitionController
    health: Health
    watching: Watching
    server: Server
    writes: Writes
    auditor: Auditor | None
    services: Backends
    registration: Registration
    availability: Availability


def assemble(config: Config) -> Parts:
    """All parts, connected but not started. Must be called with a running event loop."""
    etcd = Etcd(config.etcd)
    rules = encryption.load(config.encryption) if config.encryption else encryption.PLAIN
    store = Store(etcd, rules)
    resources = Resources(config.history_events)
    mirror = Mirror(etcd, resources.caches(), rules, remembered=config.recalled_revisions)
    fresh = Freshness(etcd, mirror)
    extensions = Extensions(resources, mirror, fresh, history=config.history_events)
    health = Health(fresh, mirror)
    instruments = Instruments()
    instruments.watch_resources(resources, VERSION)
    etcd.observe = instruments.etcd

    signer = Signer(config.service_account_key, config.service_account_issuer)
    keys = [signer.public, *map(load_public, config.service_account_keys)]
    verifier = Verifier(keys, config.service_account_issuer, config.token_audiences)
    authenticator = Authenticator(verifier, resources)
    authorizer = Authorizer(Index(resources), NodeAuthorizer(resources))
    mirror.on_reload(authorizer.reset)

    services = Backends(resources)
    measured = AdmissionMetrics(instruments.registry)
    admission = Admission(plugins(resources, fresh, authorizer, store, services=services, metrics=measured), measured)
    allocation = Allocation(store, resources, config.service_cidr, config.nodeport_range)
    reads = Reads(store, mirror, fresh)
    watching = Watching(config, mirror, fresh, instruments.events)
    leases = Leases(etcd, config.event_ttl)
    writes = Writes(
        config=config,
        store=store,
        changes=Changes(admission),
        allocation=allocation,
        leases=leases,
        authorizer=authorizer,
    )
    deleting = Deleting(config, store, reads, admission, allocation)
    eviction = Eviction(resources, store, fresh, deleting)
    subresources = Subresources(config, reads, writes, eviction, TokenRequests(resources, signer, authorizer))
    reviews = Reviews(config, authenticator, authorizer)
    kubelets = Kubelets(config, resources, reads)
    proxying = Proxying(resources, reads, kubelets)
    router = Router(
        _general(reads, watching, writes, deleting, subresources),
        {
            **subresources.special(),
            **reviews.special(),
            **connecting.admitted({**kubelets.special(), **proxying.special()}, writes.changes),
            **Metrics(resources, kubelets).special(),
            **Components(resources, health).special(),
        },
    )
    address = f"{config.advertise_address}:{config.port}"
    issuer = Issuer(config.service_account_issuer, address, keys)
    elsewhere = ApiServices(resources)
    mirror.on_reload(elsewhere.reset)
    transport = Transport(config, services)
    availability = Availability(store, resources, elsewhere, transport, mirror)
    discovery = Discovery(
        resources=resources,
        extensions=extensions,
        health=health,
        instruments=instruments,
        issuer=issuer,
        address=address,
        services=elsewhere,
        availability=availability,
    )
    auditor = _auditor(config.audit, instruments)
    limits = Limits(resources, config, FlowMetrics(instruments.registry))
    mirror.on_reload(limits.reset)
    server = Server(
        authenticator=authenticator,
        authorizer=authorizer,
        resources=resources,
        extensions=extensions,
        router=router,
        endpoints=discovery.endpoints(),
        instruments=instruments,
        auditor=auditor,
        limits=limits,
        aggregator=Aggregator(elsewhere, transport),
        filled=mirror.synced,
    )
    return Parts(
        config=config,
        etcd=etcd,
        store=store,
        mirror=mirror,
        fresh=fresh,
        resources=resources,
        extensions=extensions,
        definitions=DefinitionController(store, resources, mirror),
        health=health,
        watching=watching,
        server=server,
        writes=writes,
        auditor=auditor,
        services=services,
        registration=Registration(config, store, resources, mirror, extensions),
        availability=availability,
    )


def _auditor(config: AuditConfig | None, instruments: Instruments) -> Auditor | None:
    if config is None:
        return None
    sink = AuditLog(
        config.path,
        max_bytes=config.max_megabytes * 1_000_000,
        max_backups=config.max_backups,
        max_age_days=config.max_age_days,
    )
    auditor = Auditor(policy.load(config.policy), sink)
    instruments.watch_audit(auditor)
    return auditor


def _general(
    reads: Reads, watching: Watching, writes: Writes, deleting: Deleting, subresources: Subresources
) -> dict[Route, Handler]:
    general: dict[Route, Handler] = {
        ("get", ""): reads.get,
        ("list", ""): reads.list,
        ("watch", ""): watching.watch,
        ("create", ""): writes.create,
        ("update", ""): writes.update,
        ("patch", ""): writes.patch,
        ("delete", ""): deleting.delete,
        ("deletecollection", ""): deleting.collection,
    }
    for name in ("status", "ephemeralcontainers", "resize", "approval"):
        general |= {("get", name): reads.get, ("update", name): writes.update, ("patch", name): writes.patch}
    return {**general, **subresources.general()}
