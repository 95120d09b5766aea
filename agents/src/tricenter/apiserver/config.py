"""Configuration of the API server agent (`/etc/tricenter/apiserver.yaml`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class EtcdConfig:
    """How to reach etcd."""

    endpoints: tuple[str, ...]
    """`host:port` of the members; the first is preferred (the local member), the others are fallbacks."""

    ca: Path | None = None
    """Trust anchor of the members' certificates; without it the connection is plain (local trials only)."""

    cert: Path | None = None
    """Client certificate."""

    key: Path | None = None
    """Key of the client certificate."""

    timeout: float = 10.0
    """Seconds after which an etcd request is given up, all members that were tried counted together. Not less than
    an election takes: etcd itself holds a proposal for five seconds and two election timeouts."""


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """The audit log."""

    policy: Path
    """An audit.k8s.io/v1 Policy: what is noted."""

    path: Path
    """The file that events are appended to, one JSON object a line; `-TIME` is put into the name of a full one."""

    max_megabytes: int = 100
    """Size at which the file is renamed and a new one begun; upstream's default. 0 never does."""

    max_backups: int = 10
    """Renamed files that are kept; 0 keeps all."""

    max_age_days: float = 30
    """Days after which a renamed file goes; 0 keeps it."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything the API server needs to know."""

    etcd: EtcdConfig
    """The store."""

    cert: Path
    """Serving certificate."""

    key: Path
    """Key of the serving certificate."""

    client_ca: Path
    """CA that signs client certificates."""

    service_account_key: Path
    """Private key that signs service account tokens."""

    service_account_keys: tuple[Path, ...] = ()
    """Public keys that verify service account tokens; the public half of `service_account_key` is always one."""

    service_account_issuer: str = "https://kubernetes.default.svc.cluster.local"
    """`iss` of issued tokens, and the default audience."""

    kubelet_ca: Path | None = None
    """CA of the kubelets' serving certificates; default: `client_ca`."""

    kubelet_cert: Path | None = None
    """Client certificate towards kubelets; without it log, exec, attach and port-forward answer 503."""

    kubelet_key: Path | None = None
    """Key of `kubelet_cert`."""

    proxy_client_cert: Path | None = None
    """Client certificate towards extension servers of aggregated APIs (front proxy)."""

    proxy_client_key: Path | None = None
    """Key of `proxy_client_cert`."""

    requestheader_ca: Path | None = None
    """CA of front-proxy certificates; extension servers are told to take the user's name from whoever has one."""

    requestheader_allowed_names: tuple[str, ...] = ("front-proxy-client",)
    """Common names of the front-proxy certificates that count."""

    encryption: Path | None = None
    """EncryptionConfiguration (apiserver.config.k8s.io/v1, providers aesgcm and identity) of what is encrypted at
    rest; without it nothing is."""

    audit: AuditConfig | None = None
    """The audit log; without it nothing is noted."""

    listen: str = "0.0.0.0"  # noqa: S104  # the API is served on every address of the machine
    """Address to listen on."""

    port: int = 6443
    """Port to listen on."""

    advertise_address: str = "127.0.0.1"
    """Address that the endpoints of the `kubernetes` Service name (the site's anycast address)."""

    service_cidr: str = "10.96.0.0/16"
    """Range of cluster addresses; its first address is the `kubernetes` Service."""

    nodeport_range: str = "30000-32767"
    """Range of node ports, inclusive."""

    workers: int = 1
    """Server processes that share the port; each has its own watch cache."""

    max_body_bytes: int = 3 * 1024 * 1024
    """Largest accepted request body, upstream's 3 MiB."""

    max_requests: int = 200
    """Seats of a process: requests that run at once, watches and streams not counted. They are shared out among the
    priority levels. Upstream has 600 for a server that uses all cores; a Python process uses one."""

    request_seconds: float = 60.0
    """Longest time for a request that is neither a watch nor a stream (upstream's --request-timeout)."""

    watch_queue_bytes: int = 32 * 1024 * 1024
    """Undelivered bytes after which a watch is ended instead of holding memory for a client that does not read."""

    history_events: int = 8192
    """Events a resource remembers for watches that resume from a revision."""

    recalled_revisions: int = 5000
    """Revisions before its start that a server takes from etcd's memory, for watches that come from another server."""

    default_not_ready_toleration_seconds: int = 300
    """How long pods that say nothing of it stay on a node that is not ready; upstream's flag and default."""

    default_unreachable_toleration_seconds: int = 300
    """The same for a node that is lost, which it is after the controllers' grace period."""

    event_ttl: int = 3600
    """Seconds that an Event object lives."""

    bookmark_seconds: float = 60.0
    """Interval of bookmarks on watches that allow them."""

    shutdown_seconds: float = 10.0
    """Longest drain at the end."""

    token_audiences: tuple[str, ...] = field(default=())
    """Accepted token audiences besides the issuer."""
