"""Service account tokens: signed JWTs bound to an account and, mostly, to a pod (KEP-1205, RFC 7519)."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from tricenter.apimachinery import times

Claims = dict[str, Any]
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

POD_SECONDS = 3607
"""Life of the tokens that admission puts into pods; by that odd number they are known (pkg/serviceaccount/util.go)."""

LONGEST_SECONDS = 365 * 24 * 3600
"""Life of any token, and of those of pods, which clients that read theirs only once go on with."""

_COORDINATE = 32
"""Bytes of a coordinate of P-256 (RFC 7518 section 3.4)."""


class TokenError(Exception):
    """The token is not valid; the message says why and is safe to show."""


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def key_id(key: PublicKey) -> str:
    """The key's identifier: a hash of its public half, as upstream derives it."""
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _encode(hashlib.sha256(encoded).digest())


def as_jwk(key: PublicKey) -> Claims:
    """The key as a JSON Web Key (RFC 7517)."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_numbers()
        coordinates = {
            name: _encode(value.to_bytes(_COORDINATE, "big")) for name, value in (("x", point.x), ("y", point.y))
        }
        return {"use": "sig", "kty": "EC", "kid": key_id(key), "alg": "ES256", "crv": "P-256", **coordinates}
    numbers = key.public_numbers()
    parts = {
        name: _encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
        for name, value in (("n", numbers.n), ("e", numbers.e))
    }
    return {"use": "sig", "kty": "RSA", "kid": key_id(key), "alg": "RS256", **parts}


class Signer:
    """Signs tokens with the site's key."""

    def __init__(self, path: Path, issuer: str) -> None:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ValueError(f"{path}: neither an EC nor an RSA key")  # noqa: TRY004  # the file's content, not a type
        self._key = key
        self.issuer = issuer
        self._id = key_id(key.public_key())

    @property
    def public(self) -> PublicKey:
        """The key that verifies."""
        return self._key.public_key()

    def sign(self, claims: Claims) -> str:
        """A token with these claims."""
        algorithm = "ES256" if isinstance(self._key, ec.EllipticCurvePrivateKey) else "RS256"
        header = _encode(orjson.dumps({"alg": algorithm, "kid": self._id}))
        signed = f"{header}.{_encode(orjson.dumps(claims))}"
        return f"{signed}.{_encode(self._signature(signed.encode()))}"

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            r, s = utils.decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(_COORDINATE, "big") + s.to_bytes(_COORDINATE, "big")
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def issue(
        self,
        account: dict[str, Any],
        *,
        audiences: Sequence[str],
        seconds: int,
        bound: dict[str, Any],
        extended: bool = False,
    ) -> tuple[str, str]:
        """A token for a service account, bound to other objects (`{"pod": {"name", "uid"}}`), and when it expires.

        An extended one is taken for a year; from the time it should have been renewed its use is noted.
        """
        now = int(time.time())
        metadata = account["metadata"]
        identity = {"name": metadata["name"], "uid": metadata["uid"]}
        warning = {"warnafter": now + seconds} if extended else {}
        claims = {
            "aud": list(audiences) or [self.issuer],
            "exp": now + (LONGEST_SECONDS if extended else seconds),
            "iat": now,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {"namespace": metadata["namespace"], **bound, "serviceaccount": identity, **warning},
            "nbf": now,
            "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
        }
        return self.sign(claims), times.rfc3339(dt.datetime.fromtimestamp(now + seconds, dt.UTC))


class Verifier:
    """Checks tokens against the site's public keys."""

    def __init__(self, keys: Sequence[PublicKey], issuer: str, audiences: Sequence[str]) -> None:
        self._keys = {key_id(key): key for key in keys}
        self._issuer = issuer
        self.audiences = frozenset((issuer, *audiences))
        """Names by which tokens are meant for this server."""

    def verify(self, token: str, audiences: Sequence[str] = ()) -> Claims:
        """The claims of a valid token. Raises TokenError."""
        try:
            header, body, signature = token.split(".")
            fields, claims = orjson.loads(_decode(header)), orjson.loads(_decode(body))
            signed = _decode(signature)
        except (ValueError, binascii.Error) as error:
            raise TokenError("the token is not a JWT") from error
        if not isinstance(claims, dict) or not isinstance(fields, dict) or claims.get("iss") != self._issuer:
            raise TokenError("the token is from another issuer")
        self._check_signature(fields, f"{header}.{body}".encode(), signed)
        _check_times(claims)
        accepted = frozenset(audiences) or self.audiences
        given = claims.get("aud")
        if not accepted.intersection(given if isinstance(given, list) else [given]):
            raise TokenError("the token is for another audience")
        return claims

    def _check_signature(self, fields: Claims, data: bytes, signature: bytes) -> None:
        known = self._keys.get(str(fields.get("kid")))
        for key in [known] if known is not None else self._keys.values():
            try:
                _verify(key, fields.get("alg"), data, signature)
            except InvalidSignature:
                continue
            return
        raise TokenError("the token's signature is not valid")


def _verify(key: PublicKey, algorithm: Any, data: bytes, signature: bytes) -> None:
    if isinstance(key, ec.EllipticCurvePublicKey):
        if algorithm != "ES256" or len(signature) != 2 * _COORDINATE:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:_COORDINATE], "big"), int.from_bytes(signature[_COORDINATE:], "big")
        key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    else:
        if algorithm != "RS256":
            raise InvalidSignature
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())


def _check_times(claims: Claims) -> None:
    now = time.time()
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or not isinstance(begins, int | float):
        raise TokenError("the token has no time of expiry")
    if now > expires:
        raise TokenError("the token has expired")
    if now + 10 < begins:
        raise TokenError("the token is not valid yet")


def staleness(claims: Claims) -> int | None:
    """Seconds since an extended token should have been renewed; None for all others (serviceaccount/claims.go)."""
    since = (claims.get("kubernetes.io") or {}).get("warnafter")
    late = int(time.time()) - since if since else 0
    return late if late > 0 else None


def load_public(path: Path) -> PublicKey:
    """A public key, also from a private key's file or a certificate's. Raises ValueError."""
    data = path.read_bytes()
    key: Any
    if b"PRIVATE KEY" in data:
        key = serialization.load_pem_private_key(data, None).public_key()
    else:
        key = serialization.load_pem_public_key(data)
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise ValueError(f"{path}: neither an EC nor an RSA key")  # noqa: TRY004  # the file's content, not a type
    return key
