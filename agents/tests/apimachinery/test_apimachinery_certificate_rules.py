"""Certificate requests are judged once, answered once, and by nobody else (pkg/apis/certificates/validation)."""

import base64
import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tricenter.apimachinery import kinds, validation

KIND = kinds.by_kind("certificates.k8s.io", "v1", "CertificateSigningRequest")
_KEY = ec.generate_private_key(ec.SECP256R1())
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bob")])
_NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_PEM = serialization.Encoding.PEM
REQUEST = x509.CertificateSigningRequestBuilder().subject_name(_NAME).sign(_KEY, hashes.SHA256()).public_bytes(_PEM)


def certificate(serial: int) -> bytes:
    builder = x509.CertificateBuilder().subject_name(_NAME).issuer_name(_NAME).public_key(_KEY.public_key())
    builder = builder.serial_number(serial).not_valid_before(_NOW).not_valid_after(_NOW + dt.timedelta(days=1))
    return builder.sign(_KEY, hashes.SHA256()).public_bytes(_PEM)


def request(*conditions: str, answer: bytes = b"", **spec: Any) -> dict[str, Any]:
    status: dict[str, Any] = {"conditions": [{"type": kind, "status": "True"} for kind in conditions]}
    if answer:
        status["certificate"] = base64.b64encode(answer).decode()
    whole = {"request": base64.b64encode(REQUEST).decode(), "signerName": "example.com/one", "usages": ["client auth"]}
    api = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return {**api, "metadata": {"name": "x"}, "spec": {**whole, **spec}, "status": status}


def said(old: dict[str, Any] | None, new: dict[str, Any], subresource: str = "") -> list[str]:
    assert KIND is not None
    if old is None:
        found = validation.validate_create(KIND, new)
    else:
        found = validation.validate_update(KIND, old, new, subresource=subresource)
    return [f"{problem.path}: {problem.message}" for problem in found]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"usages": ["fly"]}, 'spec.usages[0]: Unsupported value: "fly"'),
        ({"usages": []}, "spec.usages: Required value"),
        ({"usages": ["signing", "signing"]}, 'spec.usages[1]: Duplicate value: "signing"'),
        ({"signerName": "kubernetes.io/legacy-unknown"}, "the legacy signerName is not allowed via this API version"),
        ({"signerName": "example.com"}, "must be a fully qualified domain and path"),
        ({"signerName": "Example.com/x"}, "spec.signerName: Invalid value"),
        ({"expirationSeconds": 599}, "may not specify a duration less than 600 seconds (10 minutes)"),
    ],
)
def test_what_may_be_asked(spec: dict[str, Any], expected: str) -> None:
    (problem,) = said(None, request(**spec))
    assert expected in problem


_REMOVED = 'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'


@pytest.mark.parametrize(
    ("before", "after", "subresource", "expected"),
    [
        (request(), request("Approved"), "approval", []),
        (request(), request("Approved"), "", ["updates may not add a condition of type"]),
        (request(), request("Approved"), "status", ["updates may not add a condition of type"]),
        (request(), request("Failed"), "status", []),
        (request("Approved"), request(), "approval", [_REMOVED]),
        (request("Approved"), request(), "", [_REMOVED]),
        (request(), request("Approved", "Denied"), "approval", ["status.conditions[1].type: Invalid value"]),
        (request(), request("Approved", "Approved"), "approval", ["status.conditions[1].type: Duplicate value"]),
    ],
)
def test_who_may_judge(before: Any, after: Any, subresource: str, expected: list[str]) -> None:
    found = said(before, after, subresource)
    assert len(found) == len(expected)
    assert all(part in text for part, text in zip(expected, found, strict=True))


def test_a_verdict_is_true() -> None:
    doubtful = request("Approved")
    doubtful["status"]["conditions"][0]["status"] = "False"
    assert said(request(), doubtful, "approval") == [
        'status.conditions[0].status: Unsupported value: "False": supported values: "True"'
    ]


def test_an_answer_is_a_certificate_and_stays() -> None:
    approved, one, other = request("Approved"), certificate(1), certificate(2)
    assert said(approved, request("Approved", answer=one), "status") == []
    assert said(approved, request("Approved", answer=one + other), "status") == []
    path = "status.certificate: "
    assert said(approved, request("Approved", answer=one), "approval") == [
        f"{path}Forbidden: updates may not set certificate content"
    ]
    assert said(request("Approved", answer=one), request("Approved", answer=other), "status") == [
        f"{path}Forbidden: updates may not modify existing certificate content"
    ]
    for wrong, why in ((b"x", "must contain one or more CERTIFICATE PEM blocks"), (REQUEST, "only CERTIFICATE PEM")):
        (problem,) = said(approved, request("Approved", answer=wrong), "status")
        assert why in problem
