"""Certificate requests: kubelets' own are approved, approved ones signed, old ones removed.

After pkg/controller/certificates/{approver,signer,cleaner}.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from tricenter.apimachinery import signing, times
from tricenter.client import errors
from tricenter.client.resources import CERTIFICATESIGNINGREQUESTS, SUBJECTACCESSREVIEWS
from tricenter.controllers import issuing
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]

_log = logging.getLogger(__name__)

_RECOGNISED = (
    ("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview."),
    ("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview."),
)
_SWEEP_SECONDS = 3600.0
_DECIDED_LIFE, _PENDING_LIFE = timedelta(hours=1), timedelta(hours=24)


def condition(request: Object, kind: str) -> Object | None:
    """The condition of a type."""
    listed = (request.get("status") or {}).get("conditions") or ()
    return next((item for item in listed if item.get("type") == kind), None)


class _Requests(Controller):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._requests = self.informer(CERTIFICATESIGNINGREQUESTS)

    async def _update(self, request: Object, subresource: str) -> None:
        try:
            await self.api.update_subresource(CERTIFICATESIGNINGREQUESTS, request, subresource)
        except (errors.Conflict, errors.NotFound):
            # Somebody else decided first, or it is gone; what there is now will be looked at again.
            return


class CertificateApproval(_Requests):
    """Approves client certificates of kubelets whose users may ask for them."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.enqueue_on(self._requests)

    async def reconcile(self, key: str) -> float | None:
        request = self._requests.store.get(key)
        if request is None or condition(request, "Approved") or condition(request, "Denied"):
            return None
        subresources = recognised(request)
        for subresource, message in _RECOGNISED:
            if subresource in subresources and await self._permitted(request, subresource):
                await self._update(_with(request, "Approved", "AutoApproved", message), "approval")
                return None
        return None

    async def _permitted(self, request: Object, subresource: str) -> bool:
        spec = request["spec"]
        attributes = {
            "group": CERTIFICATESIGNINGREQUESTS.group,
            "resource": CERTIFICATESIGNINGREQUESTS.plural,
            "subresource": subresource,
            "verb": "create",
            "version": "*",
        }
        who = {
            "user": spec.get("username", ""),
            **{key: spec[key] for key in ("uid", "groups", "extra") if key in spec},
        }
        answer = await self.api.create(SUBJECTACCESSREVIEWS, {"spec": {**who, "resourceAttributes": attributes}})
        return bool(answer["status"].get("allowed"))


def recognised(request: Object) -> tuple[str, ...]:
    """The permissions of which one suffices for a request to be approved; none for what people decide."""
    spec = request["spec"]
    if spec.get("signerName") != signing.KUBELET_CLIENT:
        return ()
    parsed = signing.parse(spec.get("request"))
    if parsed is None or signing.refusal(signing.KUBELET_CLIENT, parsed, spec.get("usages") or ()):
        return ()
    return ("selfnodeclient", "nodeclient") if parsed.common_name == spec.get("username") else ("nodeclient",)


def _with(request: Object, kind: str, reason: str, message: str) -> Object:
    status = request.get("status") or {}
    added = {"type": kind, "status": "True", "reason": reason, "message": message}
    return {**request, "status": {**status, "conditions": [*(status.get("conditions") or ()), added]}}


class CertificateSigning(_Requests):
    """Signs what has been approved, for the signers of the API server's own authority."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        config = context.config
        self._authority: issuing.Authority | None = None
        if config.signing_cert is not None and config.signing_key is not None:
            self._authority = issuing.Authority(config.signing_cert, config.signing_key)
            self.enqueue_on(self._requests)

    async def reconcile(self, key: str) -> float | None:
        request = self._requests.store.get(key)
        if self._authority is None or request is None or not to_be_signed(request):
            return None
        spec = request["spec"]
        parsed = signing.parse(spec.get("request"))
        why = "unable to parse csr"
        if parsed is not None:
            why = signing.refusal(spec["signerName"], parsed, spec.get("usages") or ())
        if parsed is None or why:
            await self._update(_with(request, "Failed", "SignerValidationFailure", why), "status")
            return None
        longest = timedelta(days=self.context.config.signing_days)
        life = issuing.life(spec.get("expirationSeconds"), longest)
        made = await asyncio.to_thread(self._authority.issue, parsed, spec.get("usages") or (), life)
        status = {**(request.get("status") or {}), "certificate": base64.b64encode(made).decode()}
        await self._update({**request, "status": status}, "status")
        _log.info("signed the certificate of %s", parsed.common_name, extra={"object": key})
        return None


def to_be_signed(request: Object) -> bool:
    """Whether a request is approved, for one of our signers, and not answered yet."""
    if request["spec"].get("signerName") not in signing.SIGNERS or (request.get("status") or {}).get("certificate"):
        return False
    if condition(request, "Denied") or condition(request, "Failed"):
        return False
    approved = condition(request, "Approved")
    return approved is not None and approved.get("status") == "True"


class CertificateCleaner(_Requests):
    """Removes requests that nobody needs any more."""

    async def run(self) -> None:
        while True:
            now = datetime.now(UTC)
            for request in [item for item in self._requests.store.values() if outlived(item, now)]:
                metadata = request["metadata"]
                try:
                    await self.api.delete(CERTIFICATESIGNINGREQUESTS, metadata["name"], uid=metadata["uid"])
                except errors.ClientError as error:
                    _log.warning("certificate request not removed: %s", error, extra={"object": metadata["name"]})
            await asyncio.sleep(_SWEEP_SECONDS)


def outlived(request: Object, now: datetime) -> bool:
    """Decided requests stay an hour, undecided ones a day, none longer than its certificate."""
    certificate = (request.get("status") or {}).get("certificate")
    if certificate and issuing.has_expired(certificate, now):
        return True
    decided = [found for kind in ("Denied", "Failed") if (found := condition(request, kind))]
    approved = condition(request, "Approved")
    if approved and certificate:
        decided.append(approved)
    if any(now - times.parse(item["lastUpdateTime"]) > _DECIDED_LIFE for item in decided if item.get("lastUpdateTime")):
        return True
    created = times.parse(request["metadata"]["creationTimestamp"])
    return not certificate and now - created > _PENDING_LIFE
