"""Bootstrap tokens whose time is over are removed (pkg/controller/bootstrap/tokencleaner.go)."""

from __future__ import annotations

import asyncio
import base64
import binascii
from datetime import UTC, datetime
from typing import Any

from tricenter.apimachinery import times
from tricenter.client import Informer, errors
from tricenter.client.informer import key_of
from tricenter.client.resources import SECRETS
from tricenter.controllers.context import Context, Controller
from tricenter.runtime import tasks

Object = dict[str, Any]

_NAMESPACE = "kube-system"
_TYPE = "bootstrap.kubernetes.io/token"


class TokenCleaner(Controller):
    """Removes each token at its time."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        # No shared informer: of all the cluster's Secrets only these few concern us.
        self._tokens = Informer(self.api, SECRETS, namespace=_NAMESPACE, field_selector=f"type={_TYPE}")
        self._tokens.add_handler(lambda _event, _old, new: self.queue.add(key_of(new)))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(tasks.guard(self._tokens.run(), "bootstrap tokens"))
            group.create_task(tasks.guard(super().run(), "token cleaner"))

    async def reconcile(self, key: str) -> float | None:
        secret = self._tokens.store.get(key)
        if secret is None:
            return None
        left = seconds_left(secret, datetime.now(UTC))
        if left is None or left > 0:
            return left
        metadata = secret["metadata"]
        try:
            await self.api.delete(SECRETS, metadata["name"], _NAMESPACE, uid=metadata["uid"])
        except (errors.NotFound, errors.Conflict):
            return None
        return None


def seconds_left(secret: Object, now: datetime) -> float | None:
    """How long a token is still good; None for ever, and for what cannot be read no longer."""
    encoded = (secret.get("data") or {}).get("expiration")
    if not encoded:
        return None
    try:
        return max(0.0, (times.parse(base64.b64decode(encoded).decode()) - now).total_seconds())
    except (ValueError, binascii.Error):
        return 0.0
