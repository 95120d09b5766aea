"""Requests to extension servers: as ourselves by the front-proxy certificate, in the name of the user by headers."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from tricenter.apiserver import backends
from tricenter.apiserver.aggregation.apiservices import ApiService
from tricenter.apiserver.auth.user import MASTERS, User
from tricenter.apiserver.backends import Backends
from tricenter.apiserver.config import Config

AGGREGATOR = User("system:kube-aggregator", groups=(MASTERS,))
"""Who asks extension servers how they are."""


def user_headers(user: User) -> list[tuple[str, str]]:
    """A user as the headers of an authenticating proxy (client-go transport SetAuthProxyHeaders)."""
    found = [("X-Remote-User", user.name)]
    if user.uid:
        found.append(("X-Remote-Uid", user.uid))
    found += [("X-Remote-Group", group) for group in user.groups]
    for key, values in user.extra.items():
        found += [(f"X-Remote-Extra-{quote(key, safe='')}", value) for value in values]
    return found


class Transport:
    """Opens the way to an extension server."""

    def __init__(self, config: Config, services: Backends) -> None:
        self._files = (config.proxy_client_cert, config.proxy_client_key)
        self.services = services

    def target(self, service: ApiService) -> tuple[str, int, dict[str, Any]]:
        """Address, port, and the TLS part of a request. Raises BackendError."""
        host, port = self.services.endpoint(service.namespace, service.service, service.port)
        cert, key = self._files
        context = backends.context(service.bundle, insecure=service.insecure, cert=cert, key=key, stamp=_stamp(cert))
        return host, port, {"ssl": context, "server_hostname": service.host}


def _stamp(file: Path | None) -> int:
    """Changes when the certificate is renewed."""
    try:
        return 0 if file is None else file.stat().st_mtime_ns
    except OSError:
        return 0
