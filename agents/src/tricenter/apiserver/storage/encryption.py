"""Values encrypted at rest, in upstream's format, by upstream's EncryptionConfiguration (KEP-1980's v1 API).

`k8s:enc:aesgcm:v1:KEY:` stands before a random nonce, the sealed value and its tag; the etcd key is authenticated
along with it, so that no value can be put in the place of another. The first provider and its first key write, all
of them read. A kube-apiserver with the same file reads what we write, and the other way round.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tricenter.apimachinery import kinds

_ANY = b"k8s:enc:"
_AESGCM = b"k8s:enc:aesgcm:v1:"
_NONCE = 12
_SIZES = (16, 24, 32)


class ConfigurationError(ValueError):
    """The file is not an EncryptionConfiguration that we can follow."""


class UnknownKey(ValueError):  # noqa: N818  # upstream has no such error
    """A value was written with a key that the configuration does not have."""


@dataclass(frozen=True)
class Key:
    """A named AES key; `sealer` is None for `identity`, which writes values as they are."""

    name: str
    sealer: AESGCM | None

    @property
    def prefix(self) -> bytes:
        """What stands before values of this key; empty for `identity`."""
        return b"" if self.sealer is None else b"%b%b:" % (_AESGCM, self.name.encode())


_PLAIN = Key("identity", None)


class Encryption:
    """Seals values on their way to etcd and opens them on the way back."""

    def __init__(self, providers: Mapping[str, Sequence[Key]]) -> None:
        """`providers`: for each prefix of etcd keys the keys of its values, the writing one first."""
        self._writing = {prefix.encode(): keys[0] for prefix, keys in providers.items()}
        self._keys = {prefix.encode(): tuple(keys) for prefix, keys in providers.items()}

    @property
    def prefixes(self) -> list[str]:
        """Prefixes of the etcd keys that the configuration is about."""
        return [prefix.decode() for prefix in self._writing]

    def seal(self, key: bytes, value: bytes) -> bytes:
        """The value as it is written at an etcd key."""
        writing = self._key(key)
        if writing.sealer is None:
            return value
        nonce = os.urandom(_NONCE)
        return b"%b%b%b" % (writing.prefix, nonce, writing.sealer.encrypt(nonce, value, key))

    def open(self, key: bytes, value: bytes) -> bytes:
        """The plain value. Raises UnknownKey, another ValueError for one that was tampered with or moved."""
        if not value.startswith(_ANY):
            return value
        if not value.startswith(_AESGCM):
            raise UnknownKey(f"{key.decode()}: encrypted by a provider other than aesgcm")
        end = value.find(b":", len(_AESGCM))
        name = value[len(_AESGCM) : end].decode(errors="replace")
        nonce, sealed = value[end + 1 : end + 1 + _NONCE], value[end + 1 + _NONCE :]
        problem: Exception = UnknownKey(f"{key.decode()}: the configuration has no key for it")
        for sealer in self._sealers(key, name):
            try:
                return sealer.decrypt(nonce, sealed, key)
            except (InvalidTag, ValueError):
                problem = ValueError(f"{key.decode()}: the encrypted value is damaged")
        raise problem

    def stale(self, key: bytes, value: bytes) -> bool:
        """Whether a value of etcd would be written differently today, so that even an equal one is to be written."""
        writing = self._key(key)
        return value.startswith(_ANY) if writing.sealer is None else not value.startswith(writing.prefix)

    def _sealers(self, key: bytes, name: str) -> Iterator[AESGCM]:
        """Keys of a name: two resources may each have their own, and what is no longer encrypted is still read."""
        by_nearness = sorted(self._keys, key=lambda prefix: not key.startswith(prefix))
        for prefix in by_nearness:
            yield from (found.sealer for found in self._keys[prefix] if found.name == name and found.sealer)

    def _key(self, key: bytes) -> Key:
        for prefix, writing in self._writing.items():
            if key.startswith(prefix):
                return writing
        return _PLAIN


PLAIN = Encryption({})
"""Nothing is encrypted."""


def load(path: Path) -> Encryption:
    """From an EncryptionConfiguration. Raises ConfigurationError; no message ever holds a key."""
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not YAML") from error
    if not isinstance(document, dict) or document.get("kind") != "EncryptionConfiguration":
        raise ConfigurationError(f"{path}: not an EncryptionConfiguration")
    providers: dict[str, list[Key]] = {}
    for rule in document.get("resources") or ():
        keys = [key for provider in rule.get("providers") or () for key in _keys(path, provider)]
        if not keys:
            raise ConfigurationError(f"{path}: resources without a provider")
        for name in rule.get("resources") or ():
            # The first rule for a resource holds, as upstream has it.
            providers.setdefault(_prefix(path, str(name)), keys)
    return Encryption(providers)


def _keys(path: Path, provider: Any) -> list[Key]:
    kind = next(iter(provider)) if isinstance(provider, dict) and len(provider) == 1 else ""
    if kind == "identity":
        return [_PLAIN]
    if kind != "aesgcm":
        raise ConfigurationError(f"{path}: provider {kind!r} is not supported, only aesgcm and identity are")
    return [_key(path, item) for item in (provider[kind] or {}).get("keys") or ()]


def _key(path: Path, item: Any) -> Key:
    name = str(item.get("name", ""))
    if not name or ":" in name:
        raise ConfigurationError(f"{path}: a key needs a name without a colon")
    try:
        secret = base64.b64decode(item.get("secret", ""), validate=True)
    except (binascii.Error, TypeError):
        secret = b""
    if len(secret) not in _SIZES:
        raise ConfigurationError(f"{path}: the secret of key {name} must be 16, 24 or 32 bytes in base64")
    return Key(name, AESGCM(secret))


def _prefix(path: Path, name: str) -> str:
    """Where objects of `secrets` or `widgets.example.com` are."""
    plural, _, group = name.partition(".")
    if not plural or "*" in name:
        raise ConfigurationError(f"{path}: resource {name!r}: wildcards are not supported")
    for kind in kinds.BUILTIN:
        if (kind.group, kind.plural) == (group, plural) and kind.storage_prefix is not None:
            return kind.storage_prefix
    if not group:
        raise ConfigurationError(f"{path}: no resource is called {name!r}")
    return f"/registry/{group}/{plural}/"
