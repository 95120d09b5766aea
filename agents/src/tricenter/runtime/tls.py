"""TLS contexts from PEM files that are rotated in place.

Trust files hold intermediate authorities only, so that a certificate of one of the site's authorities is worthless at
another: verification has to accept a trust anchor that is not self-signed (VERIFY_X509_PARTIAL_CHAIN). Everything
speaks TLS 1.2 or later and, but for etcd, HTTP/1.1.

A context notices by modification time that a file was replaced and loads it again, so a renewed certificate needs no
restart: a server checks at every handshake, a client calls `Context.refresh` before it opens a connection. A new trust
file adds its authorities; the old ones stay trusted until the agent restarts.
"""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)

_HTTP = "http/1.1"


class Context(ssl.SSLContext):
    """An SSLContext that remembers its files."""

    _own: tuple[Path, Path | None] | None
    _trust: Path
    _seen: tuple[tuple[int, int], ...]

    def track(self, cert: Path | None, key: Path | None, trust: Path) -> None:
        """Load the files for the first time; raises OSError or ssl.SSLError."""
        self._own, self._trust = None if cert is None else (cert, key), trust
        self._seen = self._stamps()
        self._load()

    def _load(self) -> None:
        if self._own is not None:
            self.load_cert_chain(*self._own)
        self.load_verify_locations(self._trust)

    def refresh(self) -> bool:
        """Load the files again if they changed; keeps the old ones while the new ones cannot be used."""
        try:
            stamps = self._stamps()
            if stamps == self._seen:
                return False
            # OpenSSL drops the old pair before it finds that the new certificate and key do not match: try elsewhere.
            if self._own is not None:
                ssl.SSLContext(self.protocol).load_cert_chain(*self._own)
            self._load()
        except (OSError, ssl.SSLError) as error:  # half written: certificate and key are two files
            _log.warning("cannot load a renewed certificate yet: %s", error, extra={"object": self._name})
            return False
        self._seen = stamps
        _log.info("loaded a renewed certificate", extra={"object": self._name})
        return True

    @property
    def _name(self) -> str:
        return str(self._trust if self._own is None else self._own[0])

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        stats = [path.stat() for path in (*(self._own or ()), self._trust) if path is not None]
        return tuple((stat.st_mtime_ns, stat.st_ino) for stat in stats)


def client_context(ca: Path, cert: Path | None, key: Path | None, *, protocol: str = _HTTP) -> Context:
    """Present `cert`, if there is one, and accept only servers that `ca` signed for the name we asked for."""
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    _common(context, protocol)
    context.track(cert, key, ca)
    return context


def server_context(cert: Path, key: Path, client_ca: Path, *, require_client: bool) -> Context:
    """Present `cert`; accept clients whose certificate `client_ca` signed, and others unless `require_client`."""
    context = Context(ssl.PROTOCOL_TLS_SERVER)
    _common(context)
    context.verify_mode = ssl.CERT_REQUIRED if require_client else ssl.CERT_OPTIONAL
    context.track(cert, key, client_ca)

    def before_handshake(_socket: Any, _name: str | None, _context: ssl.SSLContext) -> None:
        context.refresh()

    context.sni_callback = before_handshake
    return context


def _common(context: ssl.SSLContext, protocol: str = _HTTP) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols([protocol])
