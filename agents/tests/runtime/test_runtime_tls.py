"""Rotated certificates are noticed, and a site's authorities stay separate."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tricenter.runtime import tls

Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def issue(name: str, issuer: Pair | None, *, ca: bool) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(names, critical=False)
    )
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def save(folder: Path, name: str, pair: Pair) -> tuple[Path, Path]:
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    cert.write_bytes(pair[0].public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        pair[1].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert, key


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("pki")
    root = issue("root", None, ca=True)
    api, other = issue("api", root, ca=True), issue("other", root, ca=True)
    return {
        "api": save(folder, "api", api),
        "other": save(folder, "other", other),
        "server": save(folder, "server", issue("server", api, ca=False)),
        "client": save(folder, "client", issue("client", api, ca=False)),
        "stranger": save(folder, "stranger", issue("stranger", other, ca=False)),
        "root": save(folder, "root", root),
    }


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    two = server.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    for _ in range(10):
        for side in (one, two):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue
    assert done == {one, two}


def test_an_intermediate_is_a_sufficient_anchor(site: dict[str, tuple[Path, Path]]) -> None:
    server = tls.server_context(*site["server"], site["api"][0], require_client=True)
    handshake(server, tls.client_context(site["api"][0], *site["client"]))


def test_a_certificate_of_another_authority_is_refused(site: dict[str, tuple[Path, Path]]) -> None:
    server = tls.server_context(*site["server"], site["api"][0], require_client=True)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, tls.client_context(site["api"][0], *site["stranger"]))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, tls.client_context(site["other"][0], *site["client"]))


def test_a_renewed_certificate_is_loaded_once(site: dict[str, tuple[Path, Path]]) -> None:
    context = tls.client_context(site["api"][0], *site["client"])
    assert not context.refresh()
    stat = site["client"][0].stat()
    os.utime(site["client"][0], ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    assert context.refresh()
    assert not context.refresh()


def test_half_a_renewal_keeps_the_old_one(site: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    cert, key = tmp_path / "c.crt", tmp_path / "c.key"
    cert.write_bytes(site["client"][0].read_bytes())
    key.write_bytes(site["client"][1].read_bytes())
    context = tls.client_context(site["api"][0], cert, key)
    cert.write_bytes(site["server"][0].read_bytes())
    assert not context.refresh()
    handshake(tls.server_context(*site["server"], site["api"][0], require_client=True), context)
