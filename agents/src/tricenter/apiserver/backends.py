"""Services as backends of the server itself: webhooks and extension API servers.

Their endpoints are taken from the caches, as upstream with --enable-aggregator-routing does: a control-plane machine
needs no rules for cluster addresses.
"""

from __future__ import annotations

import base64
import binascii
import os
import random
import ssl
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import aiohttp

from tricenter.apiserver.resources import Resources

Object = dict[str, Any]

_SERVICE_LABEL = "kubernetes.io/service-name"
_CONTEXTS = 256
_IDLE_SECONDS = 30.0
_MAX_ANSWER = 16 * 1024 * 1024


class BackendError(Exception):
    """The service cannot be reached, or was not; the text says why as Go's client does."""

    def __init__(self, text: str, code: int = 503) -> None:
        super().__init__(text)
        self.code = code
        """What it answered, or that it did not."""


class Backends:
    """Where services are reached, and the connections to them."""

    def __init__(self, resources: Resources) -> None:
        self._services = resources["", "services"].objects
        self._slices = resources["discovery.k8s.io", "endpointslices"].objects
        self._session: aiohttp.ClientSession | None = None

    def endpoint(self, namespace: str, name: str, port: int) -> tuple[str, int]:
        """Address and port of one ready endpoint, a random one (aggregator/pkg/apiserver/resolvers). Raises
        BackendError.
        """
        entry = self._services.get(namespace, name)
        if entry is None:
            raise BackendError(f'service "{name}" not found')
        spec = entry.load().get("spec") or {}
        if spec.get("type") == "ExternalName":
            return str(spec.get("externalName", "")), port
        wanted = next((item for item in spec.get("ports") or () if item.get("port") == port), None)
        if wanted is None:
            raise BackendError(f'no service port {port} found for service "{name}"')
        found = [place for item in self._slices_of(namespace, name) for place in ready(item, wanted.get("name", ""))]
        if not found:
            raise BackendError(f'no endpoints available for service "{name}"')
        return random.choice(found)  # noqa: S311 - spreads load, keeps no secret

    def _slices_of(self, namespace: str, name: str) -> Iterator[Object]:
        for key in self._slices.keys(namespace):
            entry = self._slices.entries[key]
            if entry.labels.get(_SERVICE_LABEL) == name:
                yield entry.load()

    def session(self) -> aiohttp.ClientSession:
        """Connections that are kept open between calls."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session

    async def close(self) -> None:
        """End all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def ready(endpoint_slice: Object, port: str) -> Iterator[tuple[str, int]]:
    """Addresses of a slice that take connections, with the number of a named port."""
    numbers = [item.get("port") for item in endpoint_slice.get("ports") or () if (item.get("name") or "") == port]
    for endpoint in endpoint_slice.get("endpoints") or ():
        if (endpoint.get("conditions") or {}).get("ready") is not False:
            for address in endpoint.get("addresses") or ():
                yield from ((address, number) for number in numbers if number)


def authority(host: str, port: int) -> str:
    """`host:port` of a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@lru_cache(maxsize=_CONTEXTS)
def context(
    bundle: str, *, insecure: bool = False, cert: Path | None = None, key: Path | None = None, stamp: int = 0
) -> ssl.SSLContext:
    """TLS towards a backend whose certificate the PEM in `bundle` (base64) signed; without one, the system's
    authorities. Presents `cert`, which is read again when `stamp` is another one. Raises BackendError.
    """
    made = _trusting(bundle, insecure=insecure)
    if cert is not None and key is not None:
        try:
            made.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as error:
            raise BackendError(f"the certificate {cert} (of {stamp}) cannot be used: {error}") from error
    return made


def _trusting(bundle: str, *, insecure: bool) -> ssl.SSLContext:
    made = ssl.create_default_context()
    # As Go's verifier: whatever is given is an anchor, and old certificates lack what RFC 5280 demands.
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    made.set_alpn_protocols(["http/1.1"])
    if insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif bundle:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            made.load_verify_locations(cadata=base64.b64decode(bundle).decode())
        except (ssl.SSLError, binascii.Error, ValueError) as error:
            raise BackendError("unable to load root certificates: unable to parse bytes as PEM block") from error
    return made


async def read(got: aiohttp.ClientResponse) -> bytes:
    """The body of an answer. Raises BackendError for one that does not end."""
    found = bytearray()
    async for piece in got.content.iter_any():
        found += piece
        if len(found) > _MAX_ANSWER:
            raise BackendError("http: response body too large")
    return bytes(found)


def failure(error: Exception, place: str) -> str:
    """What went wrong with a connection, in the words of Go's client."""
    if isinstance(error, TimeoutError | aiohttp.ServerTimeoutError):
        return "context deadline exceeded"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: {_certificate(error)}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    if isinstance(error, OSError):
        # asyncio has words of its own for a connection that fails, Go those of the system.
        number = error.errno or 0
        why = os.strerror(number) if number > 0 else error.strerror or str(error)
        return f"dial tcp {place}: connect: {why.lower()}"
    return str(error) or type(error).__name__


def _certificate(error: Exception) -> str:
    inner = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error
    return f"x509: {getattr(inner, 'verify_message', '') or inner}"
