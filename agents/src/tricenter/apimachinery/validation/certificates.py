"""Rules of CertificateSigningRequests (upstream pkg/apis/certificates/validation)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Mapping
from typing import Any

from cryptography import x509

from tricenter.apimachinery import fielderrors, names, signing
from tricenter.apimachinery.validation.rules import Errors, Object, each, required, sub

_SHORTEST = 600
_LEGACY = "kubernetes.io/legacy-unknown"
_USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip
_VERDICTS = ("Approved", "Denied")
_FINAL = (*_VERDICTS, "Failed")
_CONDITIONS, _CERTIFICATE = "status.conditions", "status.certificate"
_BLOCK = re.compile(rb"-----BEGIN ([^\n-]*)-----\n(.*?)-----END [^\n-]*-----", re.DOTALL)


def signing_request(obj: Object) -> Errors:
    """A CertificateSigningRequest."""
    spec = sub(obj, "spec")
    yield from required(spec, "request", "spec")
    if spec.get("request") and signing.parse(spec["request"]) is None:
        detail = "PEM block type must be CERTIFICATE REQUEST"
        yield fielderrors.invalid("spec.request", spec["request"], detail)
    yield from _usages(spec.get("usages") or [])
    yield from _signer(spec.get("signerName"))
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _SHORTEST:
        detail = "may not specify a duration less than 600 seconds (10 minutes)"
        yield fielderrors.invalid("spec.expirationSeconds", seconds, detail)
    yield from _conditions(obj)
    if why := _certificate(sub(obj, "status").get("certificate")):
        yield fielderrors.invalid(_CERTIFICATE, "<certificate data>", why)


def update(old: Object, new: Object) -> Errors:
    """An update of the request itself: neither judged nor answered this way."""
    yield from signing_request(new)
    yield from _kept(old, new)
    yield from _untouched_verdicts(old, new)
    if _answer(old) != _answer(new):
        yield fielderrors.forbidden(_CERTIFICATE, "updates may not set certificate content")


def approval(old: Object, new: Object) -> Errors:
    """A verdict."""
    yield from signing_request(new)
    yield from _kept(old, new)
    if _answer(old) != _answer(new):
        yield fielderrors.forbidden(_CERTIFICATE, "updates may not set certificate content")


def status(old: Object, new: Object) -> Errors:
    """An answer, once."""
    yield from signing_request(new)
    yield from _kept(old, new)
    yield from _untouched_verdicts(old, new)
    if _answer(old) and _answer(old) != _answer(new):
        yield fielderrors.forbidden(_CERTIFICATE, "updates may not modify existing certificate content")


def _usages(usages: list[Any]) -> Errors:
    if not usages:
        yield fielderrors.required("spec.usages")
    for index, usage in enumerate(usages):
        if usage not in _USAGES:
            yield fielderrors.not_supported(f"spec.usages[{index}]", usage, _USAGES)
        if usage in usages[:index]:
            yield fielderrors.duplicate(f"spec.usages[{index}]", usage)


def _signer(signer: Any) -> Errors:
    path = "spec.signerName"
    if not signer:
        yield fielderrors.required(path)
    elif signer == _LEGACY:
        yield fielderrors.invalid(path, signer, "the legacy signerName is not allowed via this API version")
    elif signer.count("/") != 1 or not all(signer.split("/")):
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield fielderrors.invalid(path, signer, detail)
    else:
        for part in signer.split("/"):
            for why in names.dns_subdomain(part):
                yield fielderrors.invalid(path, part, f"validating label {fielderrors.show(part)}: {why}")


def _conditions(obj: Object) -> Errors:
    seen: list[str] = []
    for path, found in each(sub(obj, "status"), "conditions", "status"):
        kind, state = str(found.get("type") or ""), found.get("status")
        if not kind:
            yield fielderrors.required(f"{path}.type")
        allowed = ("True",) if kind in _FINAL else ("False", "True", "Unknown")
        if not state:
            yield fielderrors.required(f"{path}.status")
        elif state not in allowed:
            yield fielderrors.not_supported(f"{path}.status", state, allowed)
        if kind in _VERDICTS and {*_VERDICTS} - {kind} <= {*seen}:
            detail = "Approved and Denied conditions are mutually exclusive"
            yield fielderrors.invalid(f"{path}.type", kind, detail)
        if kind in seen:
            yield fielderrors.duplicate(f"{path}.type", kind)
        seen.append(kind)


def _kept(old: Object, new: Object) -> Errors:
    for kind in _FINAL:
        if len(_of_type(new, kind)) < len(_of_type(old, kind)):
            yield fielderrors.forbidden(_CONDITIONS, f'updates may not remove a condition of type "{kind}"')


def _untouched_verdicts(old: Object, new: Object) -> Errors:
    for kind in _VERDICTS:
        before, after = _of_type(old, kind), _of_type(new, kind)
        if len(after) > len(before):
            yield fielderrors.forbidden(_CONDITIONS, f'updates may not add a condition of type "{kind}"')
        elif len(after) == len(before) and after != before:
            yield fielderrors.forbidden(_CONDITIONS, f'updates may not modify a condition of type "{kind}"')


def _of_type(obj: Object, kind: str) -> list[Mapping[str, Any]]:
    return [found for found in sub(obj, "status").get("conditions") or () if found.get("type") == kind]


def _answer(obj: Object) -> Any:
    return sub(obj, "status").get("certificate") or ""


def _certificate(encoded: Any) -> str:
    """What is wrong with an issued certificate: PEM, one block or more, nothing else in them."""
    if not encoded:
        return ""
    data = b""
    with contextlib.suppress(binascii.Error, TypeError):
        data = base64.b64decode(encoded, validate=True)
    blocks = _BLOCK.findall(data)
    if not blocks:
        return "must contain one or more CERTIFICATE PEM blocks"
    for kind, body in blocks:
        if kind != b"CERTIFICATE":
            return f'only CERTIFICATE PEM blocks are allowed, found "{kind.decode(errors="replace")}"'
        if b":" in body:
            return "no PEM block headers are permitted"
    try:
        x509.load_pem_x509_certificates(data)
    except ValueError as error:
        return str(error)
    return ""
