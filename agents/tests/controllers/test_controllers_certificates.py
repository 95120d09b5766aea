"""Certificate requests: what is approved, what is signed and how, what is removed; bootstrap tokens have an end."""

from __future__ import annotations

import base64
import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tricenter.apimachinery import signing, times
from tricenter.controllers import certificates, issuing, tokens

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_KUBELET = ["digital signature", "client auth"]


def csr(name: str, *organizations: str, sans: tuple[str, ...] = ()) -> str:
    """`spec.request`: a name in `sans` is an address, a DNS name or (with @) an e-mail address."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    attributes += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, item) for item in organizations]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName([_san(item) for item in sans]), critical=False)
    made = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def _san(text: str) -> x509.GeneralName:
    if "@" in text:
        return x509.RFC822Name(text)
    if text[0].isdigit():
        return x509.IPAddress(ipaddress.ip_address(text))
    return x509.DNSName(text)


def refusal(signer: str, request: str, *usages: str) -> str:
    parsed = signing.parse(request)
    assert parsed is not None
    return signing.refusal(signer, parsed, usages)


_NODE = "system:node:n1"


@pytest.mark.parametrize(
    ("signer", "request_", "usages", "signed"),
    [
        (signing.KUBE_APISERVER_CLIENT, csr("alice", "devs"), ["client auth"], True),
        (signing.KUBE_APISERVER_CLIENT, csr("alice"), ["client auth", "server auth"], False),
        (signing.KUBE_APISERVER_CLIENT, csr("alice"), ["digital signature"], False),
        (signing.KUBELET_CLIENT, csr(_NODE, "system:nodes"), _KUBELET, True),
        (signing.KUBELET_CLIENT, csr(_NODE, "system:nodes"), [*_KUBELET, "key encipherment"], True),
        (signing.KUBELET_CLIENT, csr(_NODE, "system:masters"), _KUBELET, False),
        (signing.KUBELET_CLIENT, csr(_NODE, "system:nodes", "system:masters"), _KUBELET, False),
        (signing.KUBELET_CLIENT, csr("alice", "system:nodes"), _KUBELET, False),
        (signing.KUBELET_CLIENT, csr(_NODE, "system:nodes", sans=("n1",)), _KUBELET, False),
        (
            signing.KUBELET_SERVING,
            csr(_NODE, "system:nodes", sans=("n1", "10.0.0.1")),
            ["digital signature", "server auth"],
            True,
        ),
        (signing.KUBELET_SERVING, csr(_NODE, "system:nodes"), ["digital signature", "server auth"], False),
        (
            signing.KUBELET_SERVING,
            csr(_NODE, "system:nodes", sans=("n1", "a@b.c")),
            ["digital signature", "server auth"],
            False,
        ),
        (signing.KUBELET_SERVING, csr(_NODE, "system:nodes", sans=("n1",)), _KUBELET, False),
    ],
)
def test_signers_sign_only_what_is_theirs(signer: str, request_: str, usages: list[str], signed: bool) -> None:
    assert (not refusal(signer, request_, *usages)) is signed


def test_what_is_no_request_is_none() -> None:
    assert signing.parse("bm90aGluZw==") is None
    assert signing.parse("***") is None
    assert signing.parse(None) is None


def request(**status: Any) -> dict[str, Any]:
    spec = {
        "request": csr(_NODE, "system:nodes"),
        "signerName": signing.KUBELET_CLIENT,
        "usages": _KUBELET,
        "username": _NODE,
    }
    return {"metadata": {"name": "r", "creationTimestamp": times.rfc3339(_NOW)}, "spec": spec, "status": status}


def test_only_a_kubelets_own_request_is_recognised_as_its_own() -> None:
    own = request()
    assert certificates.recognised(own) == ("selfnodeclient", "nodeclient")
    own["spec"]["username"] = "system:bootstrap:abcdef"
    assert certificates.recognised(own) == ("nodeclient",)
    own["spec"]["signerName"] = signing.KUBELET_SERVING
    assert certificates.recognised(own) == ()


def condition(kind: str, at: datetime = _NOW) -> dict[str, str]:
    return {"type": kind, "status": "True", "lastUpdateTime": times.rfc3339(at)}


@pytest.mark.parametrize(
    ("status", "signs"),
    [
        ({}, False),
        ({"conditions": [condition("Approved")]}, True),
        ({"conditions": [condition("Approved")], "certificate": "x"}, False),
        ({"conditions": [condition("Denied")]}, False),
        ({"conditions": [condition("Approved"), condition("Failed")]}, False),
        ({"conditions": [{**condition("Approved"), "status": "False"}]}, False),
    ],
)
def test_only_approved_requests_are_signed(status: dict[str, Any], signs: bool) -> None:
    assert certificates.to_be_signed(request(**status)) is signs


@pytest.mark.parametrize(
    ("status", "hours", "gone"),
    [
        ({}, 23, False),
        ({}, 25, True),
        ({"conditions": [condition("Denied")]}, 0.9, False),
        ({"conditions": [condition("Denied")]}, 1.1, True),
        ({"conditions": [condition("Approved")]}, 2, False),
        ({"conditions": [condition("Approved")], "certificate": "eA=="}, 2, True),
    ],
)
def test_old_requests_go(status: dict[str, Any], hours: float, gone: bool) -> None:
    assert certificates.outlived(request(**status), _NOW + timedelta(hours=hours)) is gone


def authority(folder: Path, days: int = 100) -> issuing.Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_NOW - timedelta(days=1))
        .not_valid_after(_NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "ca.key").write_bytes(key.private_bytes(*form))
    return issuing.Authority(folder / "ca.crt", folder / "ca.key")


def test_a_certificate_is_what_was_asked_for(tmp_path: Path) -> None:
    parsed = signing.parse(csr(_NODE, "system:nodes", sans=("n1", "10.0.0.1")))
    assert parsed is not None
    issuer = authority(tmp_path)
    pem = issuer.issue(parsed, ["digital signature", "server auth"], timedelta(days=30), _NOW)
    made = x509.load_pem_x509_certificate(pem)
    made.verify_directly_issued_by(x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes()))
    assert made.subject == parsed.csr.subject
    assert made.public_key() == parsed.csr.public_key()
    assert made.not_valid_after_utc == _NOW + timedelta(days=30)
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usages = list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert usages == [ExtendedKeyUsageOID.SERVER_AUTH]
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["n1"]
    encoded = base64.b64encode(pem).decode()
    assert not issuing.has_expired(encoded, _NOW)
    assert issuing.has_expired(encoded, _NOW + timedelta(days=31))


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    parsed = signing.parse(csr("alice"))
    assert parsed is not None
    pem = authority(tmp_path, days=10).issue(parsed, ["client auth"], timedelta(days=365), _NOW)
    assert x509.load_pem_x509_certificate(pem).not_valid_after_utc == _NOW + timedelta(days=10)


@pytest.mark.parametrize(("wanted", "seconds"), [(None, 1000), (5000, 1000), (700, 700), (1, 600)])
def test_lives_have_bounds(wanted: int | None, seconds: float) -> None:
    assert issuing.life(wanted, timedelta(seconds=1000)).total_seconds() == seconds


@pytest.mark.parametrize(
    ("expiration", "left"),
    [("", None), (times.rfc3339(_NOW + timedelta(seconds=5)), 5), (times.rfc3339(_NOW), 0), ("soon", 0)],
)
def test_tokens_have_an_end(expiration: str, left: float | None) -> None:
    data = {"expiration": base64.b64encode(expiration.encode()).decode()} if expiration else {}
    assert tokens.seconds_left({"data": data}, _NOW) == left
