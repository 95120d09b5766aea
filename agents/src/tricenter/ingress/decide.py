"""From Ingress objects to the site nginx should serve: a pure function.

Rules: https://kubernetes.io/docs/concepts/services-networking/ingress/ (path types, wildcard hosts, TLS). Where two
Ingresses ask for one host and path the older one has it. A fault in one Ingress takes away what is faulty and
nothing else.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tricenter.ingress import annotations, backends
from tricenter.ingress.backends import BackendError, Objects
from tricenter.ingress.model import Location, Options, Problem, Server, Site, Upstream

Object = dict[str, Any]

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"

_HOST = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PATH = re.compile(r"/[A-Za-z0-9/._~!&()*+,=:@%-]*")


def key_of(obj: Object) -> str:
    """`namespace/name`."""
    return f"{obj['metadata'].get('namespace')}/{obj['metadata']['name']}"


def served_here(ingress: Object, classes: Iterable[Object], controller: str) -> bool:
    """Whether the Ingress is of a class of this controller, or of none while one of ours is the default."""
    ours = [cls for cls in classes if (cls.get("spec") or {}).get("controller") == controller]
    name = (ingress.get("spec") or {}).get("ingressClassName")
    name = name or (ingress["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    if name:
        return any(cls["metadata"]["name"] == name for cls in ours)
    return any((cls["metadata"].get("annotations") or {}).get(DEFAULT_ANNOTATION) == "true" for cls in ours)


def key_pair(secret: Object | None) -> bytes | None:
    """Certificate chain and key of a TLS Secret as one PEM, or None when it holds none."""
    data = (secret or {}).get("data") or {}
    try:
        parts = [base64.b64decode(data[name], validate=True) for name in ("tls.crt", "tls.key")]
    except (KeyError, TypeError, ValueError):
        return None
    return b"".join(part.rstrip() + b"\n" for part in parts)


def site(ingresses: Iterable[Object], objects: Objects, zone: str) -> Site:
    """The site for the Ingresses served here."""
    builder = _Builder(objects, zone)
    for ingress in sorted(ingresses, key=_age):
        try:
            builder.add(ingress)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            builder.complain(ingress, "NotUnderstood", f"not all of it can be served: {type(error).__name__}: {error}")
    return builder.site()


def _age(ingress: Object) -> tuple[str, str]:
    return ingress["metadata"].get("creationTimestamp") or "", key_of(ingress)


class _Builder:
    def __init__(self, objects: Objects, zone: str) -> None:
        self._objects = objects
        self._zone = zone
        self._locations: dict[str, dict[tuple[str, bool], Location]] = {"": {}}
        self._certificate_of: dict[str, str] = {}
        self._certificates: dict[str, bytes] = {}
        self._upstreams: dict[str, Upstream] = {}
        self._problems: list[Problem] = []

    def add(self, ingress: Object) -> None:
        """Serve what can be served of one Ingress."""
        options, complaints = annotations.options(ingress)
        for complaint in complaints:
            self.complain(ingress, "InvalidAnnotation", complaint)
        spec = ingress["spec"]
        hosts = []
        for rule in spec.get("rules") or []:
            host = rule.get("host") or ""
            if host and not _HOST.fullmatch(host):
                self.complain(ingress, "InvalidHost", f"{host!r} is not a host name")
                continue
            hosts.append(host)
            for path in (rule.get("http") or {}).get("paths") or []:
                self._add_path(ingress, host, path, options)
        if spec.get("defaultBackend"):
            # It answers what no rule of this Ingress answers: on its hosts, or everywhere when it has no rule.
            for host in hosts or [""]:
                catch_all = {"path": "/", "pathType": "Prefix", "backend": spec["defaultBackend"]}
                self._add_path(ingress, host, catch_all, options, quiet=bool(hosts))
        self._add_tls(ingress, hosts or [""], options)

    def _add_path(self, ingress: Object, host: str, path: Object, options: Options, *, quiet: bool = False) -> None:
        text, exact = path.get("path") or "/", path.get("pathType") == "Exact"
        if not _PATH.fullmatch(text):
            self.complain(ingress, "InvalidPath", f"path {text!r} has characters that are not served")
            return
        if not exact:
            text = text.rstrip("/") or "/"
        locations = self._locations.setdefault(host, {})
        if (text, exact) in locations:
            if not quiet:
                self.complain(ingress, "PathTaken", f"{host or '*'}{text} is served by an older Ingress")
            return
        upstream = self._upstream(ingress, path.get("backend") or {})
        locations[text, exact] = Location(path=text, exact=exact, upstream=upstream, options=options)

    def _upstream(self, ingress: Object, backend: Object) -> str:
        """Name of the upstream; empty when nobody can answer."""
        try:
            upstream = backends.upstream(self._objects, ingress["metadata"]["namespace"], backend, self._zone)
        except BackendError as error:
            self.complain(ingress, "BackendUnavailable", str(error))
            return ""
        if not upstream.backends:
            return ""
        self._upstreams[upstream.name] = upstream
        return upstream.name

    def _add_tls(self, ingress: Object, hosts: list[str], options: Options) -> None:
        for entry in ingress["spec"].get("tls") or []:
            name = self._certificate(ingress, entry.get("secretName") or "")
            names = entry.get("hosts") or hosts
            for host in hosts:
                if any(_covers(pattern, host) for pattern in names):
                    if name:
                        self._certificate_of.setdefault(host, name)
                    if options.ssl_redirect:
                        self._redirect(host)

    def _redirect(self, host: str) -> None:
        locations = self._locations.get(host, {})
        for place, location in locations.items():
            locations[place] = replace(location, redirect=location.options.ssl_redirect)

    def _certificate(self, ingress: Object, secret_name: str) -> str:
        """Name of the key pair in a Secret; empty when it cannot be used, then the agent's own is shown."""
        if not secret_name:
            return ""
        pem = key_pair(self._objects.secret(f"{ingress['metadata']['namespace']}/{secret_name}"))
        if pem is None:
            self.complain(ingress, "CertificateUnavailable", f"Secret {secret_name} has no key pair that fits")
            return ""
        name = hashlib.sha256(pem).hexdigest()[:32]
        self._certificates[name] = pem
        return name

    def complain(self, ingress: Object, reason: str, message: str) -> None:
        """Tell the owner of an Ingress what is not served of it."""
        self._problems.append(Problem(ingress=key_of(ingress), reason=reason, message=message))

    def site(self) -> Site:
        """Everything that was added."""
        servers = (
            Server(
                host=host,
                certificate=self._certificate_of.get(host, ""),
                locations=tuple(sorted(found.values(), key=lambda location: (location.path, not location.exact))),
            )
            for host, found in sorted(self._locations.items())
        )
        return Site(
            servers=tuple(servers),
            upstreams=tuple(upstream for _, upstream in sorted(self._upstreams.items())),
            certificates=self._certificates,
            problems=tuple(self._problems),
        )


def _covers(pattern: str, host: str) -> bool:
    """Whether the certificate's name `pattern` is good for `host`: a wildcard stands for one label."""
    if pattern == host:
        return True
    return pattern.startswith("*.") and host.partition(".")[2] == pattern[2:]
