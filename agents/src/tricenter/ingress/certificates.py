"""Key pairs as files that only root may read, named by their content: a reload never meets a half-written one."""

import datetime as dt
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_YEARS = dt.timedelta(days=3650)


def fault(folder: Path, pem: bytes) -> str:
    """Empty when TLS accepts the key pair, else why not."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "candidate"
    _write_secret(path, pem)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password=_no_passphrase)
    except (ssl.SSLError, OSError, ValueError) as error:
        return str(error) or "not a key pair"
    finally:
        path.unlink()
    return ""


def _no_passphrase() -> str:
    """Without it OpenSSL would ask the agent's terminal, and wait there for an answer."""
    raise ValueError("the key is encrypted, and nobody is there who knows its passphrase")


def write(folder: Path, certificates: Mapping[str, bytes]) -> None:
    """Write key pairs that are not there yet."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, pem in certificates.items():
        path = folder / f"{name}.pem"
        if not path.exists():
            _write_secret(path, pem)


def forget_others(folder: Path, names: set[str]) -> None:
    """Delete key pairs that no server shows any more."""
    for path in folder.glob("*.pem"):
        if path.stem not in names:
            path.unlink(missing_ok=True)


def ensure_own(path: Path) -> None:
    """A self-signed key pair for hosts that bring none, made once."""
    if path.exists() and not fault(path.parent, path.read_bytes()):
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tricenter ingress: no certificate for this host")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + _YEARS)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_secret(path, certificate.public_bytes(serialization.Encoding.PEM) + secret)


def _write_secret(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)
