"""Certificate requests (PKCS #10) of CertificateSigningRequests, and what each of Kubernetes' signers accepts.

After pkg/apis/certificates/helpers.go and pkg/controller/certificates/signer; no I/O, no key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

KUBE_APISERVER_CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
SIGNERS = (KUBE_APISERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING)

_NODES, _NODE_PREFIX = "system:nodes", "system:node:"
_BASE = {"digital signature", "key encipherment"}


@dataclass(frozen=True)
class Request:
    """What a certificate is asked for."""

    common_name: str
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...]
    addresses: tuple[str, ...]
    others: bool
    """Whether it also names e-mail addresses or URIs."""
    csr: x509.CertificateSigningRequest


def parse(encoded: Any) -> Request | None:
    """The request in `spec.request` (PEM in base64); None for what is none, or is not signed by its own key."""
    try:
        csr = x509.load_pem_x509_csr(base64.b64decode(encoded, validate=True))
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    except (ValueError, TypeError, binascii.Error):
        return None
    if not csr.is_signature_valid:
        return None
    common = [str(item.value) for item in csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    organizations = [str(item.value) for item in csr.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    addresses = [str(item) for item in names.get_values_for_type(x509.IPAddress)]
    known = (x509.DNSName, x509.IPAddress)
    return Request(
        common[0] if common else "",
        tuple(organizations),
        tuple(names.get_values_for_type(x509.DNSName)),
        tuple(addresses),
        any(not isinstance(item, known) for item in names),
        csr,
    )


def refusal(signer: str, request: Request, usages: Iterable[str]) -> str:
    """Why a signer does not sign a request; empty when it does."""
    wanted = set(usages)
    if signer == KUBE_APISERVER_CLIENT:
        fits = "client auth" in wanted and wanted <= {*_BASE, "client auth"}
        return "" if fits else "usages did not match client auth"
    purpose = "client auth" if signer == KUBELET_CLIENT else "server auth"
    return _of_kubelet(request) or _names(signer, request) or _usages(wanted, purpose)


def _of_kubelet(request: Request) -> str:
    if request.organizations != (_NODES,):
        return f"subject organization is not {_NODES}"
    if not request.common_name.startswith(_NODE_PREFIX):
        return f"subject common name does not begin with {_NODE_PREFIX}"
    return ""


def _names(signer: str, request: Request) -> str:
    """A client has no other names, a server has addresses or DNS names and nothing else."""
    if request.others:
        return "Email and URI subjectAltNames are not allowed"
    named = bool(request.dns_names or request.addresses)
    if signer == KUBELET_CLIENT:
        return "DNS and IP subjectAltNames are not allowed" if named else ""
    return "" if named else "DNS or IP subjectAltName is required"


def _usages(wanted: set[str], purpose: str) -> str:
    """The purpose must be there, besides it only what a handshake needs."""
    if {"digital signature", purpose} <= wanted <= {*_BASE, purpose}:
        return ""
    return f"usages did not match {sorted({'digital signature', purpose})}"
