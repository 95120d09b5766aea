"""Bootstrap tokens: Secrets in kube-system by which a machine that has nothing yet can ask for a certificate.

After plugin/pkg/auth/authenticator/token/bootstrap and cluster-bootstrap/token/util.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tricenter.apimachinery import times
from tricenter.apiserver.auth.tokens import TokenError
from tricenter.apiserver.auth.user import AUTHENTICATED, User
from tricenter.apiserver.resources import Resources

NAMESPACE = "kube-system"
TYPE = "bootstrap.kubernetes.io/token"
PATTERN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")

_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")
_PREFIX = "bootstrap-token-"


class BootstrapTokens:
    """Looks tokens up among the Secrets."""

    def __init__(self, resources: Resources) -> None:
        self._secrets = resources["", "secrets"].objects

    def user(self, token: str) -> User | None:
        """The user of a token; None for what is no bootstrap token. Raises TokenError."""
        parts = PATTERN.fullmatch(token)
        if parts is None:
            return None
        entry = self._secrets.get(NAMESPACE, f"{_PREFIX}{parts[1]}")
        if entry is None:
            raise TokenError("the bootstrap token is not known")
        return identified(entry.load(), parts[1], parts[2], times.now())


def identified(secret: Mapping[str, Any], token_id: str, token_secret: str, now: datetime) -> User:
    """The user that a Secret makes of the two halves of a token. Raises TokenError."""
    data = secret.get("data") or {}
    known = value(data, "token-secret")
    if secret.get("type") != TYPE or secret["metadata"].get("deletionTimestamp"):
        raise TokenError("the bootstrap token is not known")
    if not known or not hmac.compare_digest(known.encode(), token_secret.encode()):
        raise TokenError("the bootstrap token is not valid")
    if value(data, "token-id") != token_id:
        raise TokenError("the bootstrap token is not valid")
    if expired(data, now):
        raise TokenError("the bootstrap token has expired")
    if value(data, "usage-bootstrap-authentication") != "true":
        raise TokenError("the bootstrap token is not for authentication")
    groups = [group for group in value(data, "auth-extra-groups").split(",") if group]
    if not all(_GROUP.fullmatch(group) for group in groups):
        raise TokenError("the bootstrap token names a group that it may not")
    listed = ("system:bootstrappers", *dict.fromkeys(groups), AUTHENTICATED)
    return User(f"system:bootstrap:{token_id}", groups=listed)


def expired(data: Mapping[str, Any], now: datetime) -> bool:
    """Whether the token's time is over; one without a time lives on, one with an unreadable time does not."""
    text = value(data, "expiration")
    if not text:
        return False
    try:
        return times.parse(text) <= now
    except ValueError:
        return True


def value(data: Mapping[str, Any], key: str) -> str:
    """A value of a Secret, empty where there is none that can be read."""
    try:
        return base64.b64decode(data.get(key) or "", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, TypeError):
        return ""
