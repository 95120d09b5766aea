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
from tricenter.apiserver.auth.tokens import PublicKey, Signer, Verifier, load_public
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
    instruments = Instruments()
    state = _state(config, instruments)
    services = Backends(state.resources)
    access = _access(config, state)
    health = Health(state.fresh, state.mirror)
    verbs = _verbs(config, state, access, _admission(config, state, access, services, instruments), instruments)
    aggregation = _aggregation(config, state, services)
    auditor = _auditor(config.audit, instruments)
    limits = Limits(state.resources, config, FlowMetrics(instruments.registry))
    state.mirror.on_reload(limits.reset)
    discovery = _discovery(config, state, access, aggregation, health=health, instruments=instruments)
    server = Server(
        authenticator=access.authenticator,
        authorizer=access.authorizer,
        resources=state.resources,
        extensions=state.extensions,
        router=_router(config, state, access, verbs, health),
        endpoints=discovery.endpoints(),
        instruments=instruments,
        auditor=auditor,
        limits=limits,
        aggregator=Aggregator(aggregation.services, aggregation.transport),
        filled=state.mirror.synced,
    )
    return Parts(
        config=config,
        etcd=state.etcd,
        store=state.store,
        mirror=state.mirror,
        fresh=state.fresh,
        resources=state.resources,
        extensions=state.extensions,
        definitions=DefinitionController(state.store, state.resources, state.mirror),
        health=health,
        watching=verbs.watching,
        server=server,
        writes=verbs.writes,
        auditor=auditor,
        services=services,
        registration=Registration(config, state.store, state.resources, state.mirror, state.extensions),
        availability=aggregation.availability,
    )


@dataclass(frozen=True, kw_only=True)
class _State:
    """What etcd holds, and what this server keeps of it."""

    etcd: Etcd
    store: Store
    resources: Resources
    mirror: Mirror
    fresh: Freshness
    extensions: Extensions


def _state(config: Config, instruments: Instruments) -> _State:
    etcd = Etcd(config.etcd)
    etcd.observe = instruments.etcd
    rules = encryption.load(config.encryption) if config.encryption else encryption.PLAIN
    resources = Resources(config.history_events)
    instruments.watch_resources(resources, VERSION)
    mirror = Mirror(etcd, resources.caches(), rules, remembered=config.recalled_revisions)
    fresh = Freshness(etcd, mirror)
    return _State(
        etcd=etcd,
        store=Store(etcd, rules),
        resources=resources,
        mirror=mirror,
        fresh=fresh,
        extensions=Extensions(resources, mirror, fresh, history=config.history_events),
    )


@dataclass(frozen=True, kw_only=True)
class _Access:
    """Who asks, and what they may."""

    signer: Signer
    keys: list[PublicKey]
    audiences: frozenset[str]
    """Names by which tokens are meant for this server."""
    authenticator: Authenticator
    authorizer: Authorizer


def _access(config: Config, state: _State) -> _Access:
    signer = Signer(config.service_account_key, config.service_account_issuer)
    keys = [signer.public, *map(load_public, config.service_account_keys)]
    verifier = Verifier(keys, config.service_account_issuer, config.token_audiences)
    authorizer = Authorizer(Index(state.resources), NodeAuthorizer(state.resources))
    state.mirror.on_reload(authorizer.reset)
    return _Access(
        signer=signer,
        keys=keys,
        audiences=verifier.audiences,
        authenticator=Authenticator(verifier, state.resources),
        authorizer=authorizer,
    )


def _admission(
    config: Config, state: _State, access: _Access, services: Backends, instruments: Instruments
) -> Admission:
    measured = AdmissionMetrics(instruments.registry)
    chain = plugins(
        config, state.resources, state.fresh, access.authorizer, state.store, services=services, metrics=measured
    )
    return Admission(chain, measured)


@dataclass(frozen=True, kw_only=True)
class _Verbs:
    """What can be done to every resource."""

    reads: Reads
    watching: Watching
    writes: Writes
    deleting: Deleting


def _verbs(config: Config, state: _State, access: _Access, admission: Admission, instruments: Instruments) -> _Verbs:
    allocation = Allocation(state.store, state.resources, config.service_cidr, config.nodeport_range)
    reads = Reads(state.store, state.mirror, state.fresh)
    writes = Writes(
        config=config,
        store=state.store,
        changes=Changes(admission),
        allocation=allocation,
        leases=Leases(state.etcd, config.event_ttl),
        authorizer=access.authorizer,
    )
    return _Verbs(
        reads=reads,
        watching=Watching(config, state.mirror, state.fresh, instruments.events),
        writes=writes,
        deleting=Deleting(config, state.store, reads, admission, allocation),
    )


def _router(config: Config, state: _State, access: _Access, verbs: _Verbs, health: Health) -> Router:
    """Handlers by verb and subresource, and those of resources that are asked rather than stored."""
    resources, reads, writes = state.resources, verbs.reads, verbs.writes
    eviction = Eviction(resources, state.store, state.fresh, verbs.deleting)
    tokens = TokenRequests(resources, access.signer, access.authorizer, access.audiences)
    subresources = Subresources(config, reads, writes, eviction, tokens)
    kubelets = Kubelets(config, resources, reads)
    proxying = Proxying(resources, reads, kubelets)
    return Router(
        {**_general(verbs), **subresources.general()},
        {
            **subresources.special(),
            **Reviews(config, access.authenticator, access.authorizer).special(),
            **connecting.admitted({**kubelets.special(), **proxying.special()}, writes.changes),
            **Metrics(resources, kubelets).special(),
            **Components(resources, health).special(),
        },
    )


def _general(verbs: _Verbs) -> dict[Route, Handler]:
    reads, writes = verbs.reads, verbs.writes
    general: dict[Route, Handler] = {
        ("get", ""): reads.get,
        ("list", ""): reads.list,
        ("watch", ""): verbs.watching.watch,
        ("create", ""): writes.create,
        ("update", ""): writes.update,
        ("patch", ""): writes.patch,
        ("delete", ""): verbs.deleting.delete,
        ("deletecollection", ""): verbs.deleting.collection,
    }
    for name in ("status", "ephemeralcontainers", "resize", "approval"):
        general |= {("get", name): reads.get, ("update", name): writes.update, ("patch", name): writes.patch}
    return general


@dataclass(frozen=True, kw_only=True)
class _Aggregation:
    """The servers that others add to the API."""

    services: ApiServices
    transport: Transport
    availability: Availability


def _aggregation(config: Config, state: _State, backends: Backends) -> _Aggregation:
    services = ApiServices(state.resources)
    state.mirror.on_reload(services.reset)
    transport = Transport(config, backends)
    return _Aggregation(
        services=services,
        transport=transport,
        availability=Availability(state.store, state.resources, services, transport, state.mirror),
    )


def _discovery(
    config: Config,
    state: _State,
    access: _Access,
    aggregation: _Aggregation,
    *,
    health: Health,
    instruments: Instruments,
) -> Discovery:
    address = f"{config.advertise_address}:{config.port}"
    return Discovery(
        resources=state.resources,
        extensions=state.extensions,
        health=health,
        instruments=instruments,
        issuer=Issuer(config.service_account_issuer, address, access.keys),
        address=address,
        services=aggregation.services,
        availability=aggregation.availability,
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
