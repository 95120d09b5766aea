"""CertificateSigningRequests: who asks is written down, who approves and who signs needs leave for that signer.

After plugin/pkg/admission/certificates/{approval,signing,subjectrestriction}.
"""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import signing
from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import CREATE, UPDATE, Attributes, Plugin
from tricenter.apiserver.auth.authorize import Authorizer
from tricenter.apiserver.auth.rbac import Request
from tricenter.apiserver.auth.user import MASTERS

Object = dict[str, Any]

_GROUP = "certificates.k8s.io"
_RESOURCE = (_GROUP, "certificatesigningrequests")


class Certificates(Plugin):
    """Three of upstream's plugins, and the part of the registry that notes the user."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def mutate(self, attributes: Attributes) -> None:
        """Write down who asks; what the client says about that does not count."""
        if not attributes.creates(*_RESOURCE):
            return
        info = attributes.call.user.info()
        spec = attributes.obj.setdefault("spec", {})
        for key in ("username", "uid", "groups", "extra"):
            spec.pop(key, None)
            if key in info:
                spec[key] = info[key]

    async def validate(self, attributes: Attributes) -> None:
        """Raises Forbidden."""
        if attributes.resource != _RESOURCE:
            return
        if attributes.operation == CREATE and not attributes.subresource:
            _check_subject(attributes)
        elif attributes.operation == UPDATE and attributes.subresource == "approval":
            self._require(attributes, "approve")
        elif attributes.operation == UPDATE and attributes.subresource == "status" and _changes_status(attributes):
            self._require(attributes, "sign")

    def _require(self, attributes: Attributes, verb: str) -> None:
        signer = str((attributes.old or attributes.obj)["spec"].get("signerName", ""))
        for name in (signer, f"{signer.partition('/')[0]}/*"):
            request = Request(
                user=attributes.call.user, verb=verb, group=_GROUP, version="*", resource="signers", name=name
            )
            if self._authorizer.decide(request).allowed:
                return
        text = f'user not permitted to {verb} requests with signerName "{signer}"'
        raise errors.forbidden(attributes.call.target, text)


def _changes_status(attributes: Attributes) -> bool:
    return (attributes.old or {}).get("status") != attributes.obj.get("status")


def _check_subject(attributes: Attributes) -> None:
    """Nobody becomes an administrator by asking."""
    spec = attributes.obj.get("spec") or {}
    if spec.get("signerName") != signing.KUBE_APISERVER_CLIENT:
        return
    request = signing.parse(spec.get("request", ""))
    if request is not None and MASTERS in request.organizations:
        text = f"use of {signing.KUBE_APISERVER_CLIENT} signer with {MASTERS} group is not allowed"
        raise errors.forbidden(attributes.call.resource.target(attributes.obj["metadata"].get("name", "")), text)
