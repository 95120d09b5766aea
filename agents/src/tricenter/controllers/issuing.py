"""Certificates from approved requests (pkg/controller/certificates/authority)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tricenter.apimachinery.signing import Request

_BACKDATE = timedelta(minutes=5)
_SHORTEST = timedelta(minutes=10)
_EXTENDED = {"client auth": ExtendedKeyUsageOID.CLIENT_AUTH, "server auth": ExtendedKeyUsageOID.SERVER_AUTH}


class Authority:
    """A CA, read anew for each certificate: its files are renewed under us."""

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert, self._key = cert, key

    def issue(self, request: Request, usages: Iterable[str], seconds: timedelta, now: datetime | None = None) -> bytes:
        """The certificate as PEM; it lives no longer than its authority."""
        issuer = x509.load_pem_x509_certificate(self._cert.read_bytes())
        key = serialization.load_pem_private_key(self._key.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise TypeError(f"{self._key}: neither an EC nor an RSA key")
        now = now or datetime.now(UTC)
        public = request.csr.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.csr.subject)
            .issuer_name(issuer.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - _BACKDATE, issuer.not_valid_before_utc))
            .not_valid_after(min(now + seconds, issuer.not_valid_after_utc))
        )
        for value, critical in _extensions(request, set(usages), issuer):
            builder = builder.add_extension(value, critical=critical)
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _extensions(
    request: Request, usages: set[str], issuer: x509.Certificate
) -> Iterable[tuple[x509.ExtensionType, bool]]:
    yield x509.BasicConstraints(ca=False, path_length=None), True
    yield _key_usage(usages), True
    yield x509.ExtendedKeyUsage([oid for usage, oid in _EXTENDED.items() if usage in usages]), False
    try:
        names = request.csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        pass
    else:
        yield names, False
    yield x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), False  # type: ignore[arg-type]
    yield x509.SubjectKeyIdentifier.from_public_key(request.csr.public_key()), False


def _key_usage(usages: set[str]) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature="digital signature" in usages or "key encipherment" not in usages,
        key_encipherment="key encipherment" in usages,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def life(wanted: int | None, longest: timedelta) -> timedelta:
    """How long a certificate is to live: as asked for, at least ten minutes, at most what the signer gives."""
    if wanted is None:
        return longest
    return min(max(timedelta(seconds=wanted), _SHORTEST), longest)


def has_expired(encoded: str, now: datetime) -> bool:
    """Whether a certificate (PEM in base64) is over; what cannot be read is not."""
    try:
        certificate = x509.load_pem_x509_certificate(base64.b64decode(encoded))
    except (ValueError, binascii.Error):
        return False
    return certificate.not_valid_after_utc < now
