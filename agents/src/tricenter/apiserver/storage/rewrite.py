"""Writes every value again that is not as the configuration has it: after encryption began or its key changed.

`python -m tricenter.apiserver.storage.rewrite --config /etc/tricenter/apiserver.yaml` on one machine; while it runs,
the servers serve. Safe to repeat: what is as it should be stays as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from tricenter.apiserver.config import Config
from tricenter.apiserver.storage import encryption
from tricenter.apiserver.storage.encryption import Encryption
from tricenter.apiserver.storage.etcd import Etcd
from tricenter.apiserver.storage.store import Lost, Store, Stored
from tricenter.runtime import config as configuration

_PAGE = 500


@dataclass
class Counts:
    """What was found."""

    seen: int = 0
    rewritten: int = 0


async def rewrite(store: Store, rules: Encryption) -> Counts:
    """Write what is stale, at the revision it was read; the counts."""
    counts = Counts()
    for prefix in rules.prefixes:
        start = ""
        while True:
            page = await store.page(prefix, start=start, limit=_PAGE)
            for key, stored in page.items:
                counts.seen += 1
                if stored.stale and await _write(store, key, stored):
                    counts.rewritten += 1
            if not page.more:
                break
            start = page.items[-1][0] + "\0"
    return counts


async def _write(store: Store, key: str, stored: Stored) -> bool:
    """Whether the value was written; another writer of the same key does it just as well."""
    try:
        await store.replace(key, stored.value, stored.revision)
    except Lost as lost:
        return lost.current is not None and lost.current.stale and await _write(store, key, lost.current)
    return True


async def run(config: Config) -> Counts:
    """Rewrite with the server's own configuration. Raises ConfigurationError, StatusError."""
    if config.encryption is None:
        return Counts()
    rules = encryption.load(config.encryption)
    etcd = Etcd(config.etcd)
    try:
        return await rewrite(Store(etcd, rules), rules)
    finally:
        await etcd.close()


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Write again what is encrypted with an old key, or not at all.")
    parser.add_argument("--config", type=Path, required=True, help="the API server's configuration")
    counts = asyncio.run(run(configuration.load(parser.parse_args().config, Config)))
    print(f"values={counts.seen} rewritten={counts.rewritten}")  # this is what the command is for
    return 0


if __name__ == "__main__":
    sys.exit(main())
