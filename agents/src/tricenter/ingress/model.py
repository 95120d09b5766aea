"""What nginx should do, as plain values: the outcome of the decision and the input of the template."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Backend:
    """One pod address behind an upstream."""

    address: str
    backup: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Upstream:
    """The pods of one Service port."""

    name: str
    backends: tuple[Backend, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What annotations of the Ingress change."""

    body_size: str = "1m"
    connect_timeout: int = 2
    read_timeout: int = 60
    send_timeout: int = 60
    ssl_redirect: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """A path and where it leads; no upstream means that nobody can answer (503)."""

    path: str
    exact: bool
    upstream: str
    options: Options = Options()
    redirect: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A host; the empty name is every host that has no server of its own."""

    host: str
    certificate: str
    """Name of a key pair; empty for the agent's own."""
    locations: tuple[Location, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Why part of an Ingress is not served, told as an event on it."""

    ingress: str
    reason: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """All of it. `certificates`: name of the key pair → PEM of certificate and key."""

    servers: tuple[Server, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    certificates: dict[str, bytes] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
