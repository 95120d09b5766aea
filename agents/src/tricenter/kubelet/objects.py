"""ConfigMaps, Secrets and tokens of pods, fetched when needed; the last copy serves while the API is away."""

import time
from dataclasses import dataclass
from typing import Any

from tricenter.apimachinery import times
from tricenter.client import Client, errors, resources

Object = dict[str, Any]

# Containers of one pod that start together share a copy.
FRESH_SECONDS = 1.0
# A token is renewed when this part of its life is over (upstream's token manager).
TOKEN_LIFE_PART = 0.8

_RESOURCES = {"ConfigMap": resources.CONFIGMAPS, "Secret": resources.SECRETS}


@dataclass(frozen=True)
class _Copy:
    object: Object | None
    fetched: float


@dataclass(frozen=True)
class _Token:
    text: str
    renew: float


class Objects:
    """Reads objects that pods refer to; without an API nothing exists."""

    def __init__(self, api: Client | None) -> None:
        self._api = api
        self._copies: dict[tuple[str, str, str], _Copy] = {}
        self._tokens: dict[tuple[str, str, str, int], _Token] = {}

    async def lookup(self, kind: str, namespace: str, name: str) -> Object | None:
        """A ConfigMap or Secret, None where it does not exist. Raises errors.ClientError without any copy."""
        if self._api is None:
            return None
        key = (kind, namespace, name)
        copy = self._copies.get(key)
        if copy and time.monotonic() - copy.fetched < FRESH_SECONDS:
            return copy.object
        try:
            found: Object | None = await self._api.get(_RESOURCES[kind], name, namespace)
        except errors.NotFound:
            found = None
        except (errors.Unreachable, errors.ServerError):
            if copy is None:
                raise
            return copy.object
        self._copies[key] = _Copy(found, time.monotonic())
        return found

    async def token(self, pod: Object, audience: str, seconds: int) -> str:
        """A service account token bound to the pod, renewed in time. Raises errors.ClientError."""
        if self._api is None:
            raise errors.Unreachable("a token needs an API server", sent=False)
        metadata = pod["metadata"]
        account = pod["spec"].get("serviceAccountName") or "default"
        key = (metadata["uid"], account, audience, seconds)
        known = self._tokens.get(key)
        if known and time.time() < known.renew:
            return known.text
        reference = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [audience] if audience else [],
                "expirationSeconds": seconds,
                "boundObjectRef": reference,
            },
        }
        try:
            answer = await self._api.create_subresource(
                resources.SERVICEACCOUNTS, account, metadata["namespace"], "token", request
            )
        except (errors.Unreachable, errors.ServerError):
            if known is None:
                raise
            return known.text
        status = answer["status"]
        life = times.parse(status["expirationTimestamp"]).timestamp() - time.time()
        self._tokens[key] = _Token(status["token"], time.time() + TOKEN_LIFE_PART * life)
        return str(status["token"])

    def forget(self, uid: str) -> None:
        """Drop the tokens of a pod that is gone, and copies nobody read for a long time."""
        self._tokens = {key: value for key, value in self._tokens.items() if key[0] != uid}
        old = time.monotonic() - 3600
        self._copies = {key: value for key, value in self._copies.items() if value.fetched > old}
