"""Whether a write took place whose answer got lost.

Reading the key back is not enough: the write may still be on its way and be done later. So every write demands that a
key of ours, the guard, does not exist. To make the guard exist stops all writes that are under way; after that, what
etcd has seen of the key is the whole truth, and what was not done can be sent again.

Whose a write is that took place is another question: two clients may remove the same object, or write the same into
it. So a write leaves a receipt in the same transaction, a value of its own under one key that all servers share, in
whose past it is looked for. Only what makes an object leaves none, for that would cost every creation a second key: the
object itself, which no other is like because it has its uid, is the receipt.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid

from aetcd import rpc

from tricenter.apiserver.storage import past
from tricenter.apiserver.storage.etcd import Etcd
from tricenter.apiserver.storage.past import Compacted

__all__ = ["Compacted", "Guard", "find"]

_PREFIX = "/tricenter/guards/"
_RECEIPTS = b"/tricenter/receipts"
_LEASE_SECONDS = 3600
"""How long a fallen guard is kept: longer than any request can be on its way."""


class Guard:
    """The key that must not exist while writes of this server are done."""

    def __init__(self, etcd: Etcd) -> None:
        self._etcd = etcd
        self._lock = asyncio.Lock()
        self.key = _fresh()

    @staticmethod
    def stands(key: bytes) -> rpc.Compare:
        """The condition of a write."""
        return rpc.Compare(key=key, target=rpc.Compare.CREATE, result=rpc.Compare.EQUAL, create_revision=0)

    async def fall(self, key: bytes) -> None:
        """Stop the writes that were sent with this guard; further ones get another."""
        async with self._lock:
            if self.key == key:
                lease = await self._etcd.grant_lease(_LEASE_SECONDS)
                await self._etcd.put(key, lease)
                self.key = _fresh()


def _fresh() -> bytes:
    return f"{_PREFIX}{uuid.uuid4()}".encode()


class Receipts:
    """Marks of single writes, as operations to be done with them."""

    def __init__(self) -> None:
        self._own = uuid.uuid4().hex
        self._numbers = itertools.count(1)

    def next(self) -> rpc.RequestOp:
        """The mark of one more write."""
        put = rpc.PutRequest(key=_RECEIPTS, value=b"%b-%d" % (self._own.encode(), next(self._numbers)))
        return rpc.RequestOp(request_put=put)


async def find(etcd: Etcd, guard: Guard, sent: rpc.TxnRequest, *, stood: bytes, since: int) -> int:
    """The revision at which a write took place that was sent after `since`; 0 when it did not and will not.

    Raises StatusError or Compacted when that cannot be found out.
    """
    await guard.fall(stood)
    until = await etcd.revision()
    if until <= since:
        return 0
    receipt = sent.success[-1].request_put
    for event in await past.events(etcd, receipt.key, after=since, until=until):
        if event.kv.value == receipt.value:
            return int(event.kv.mod_revision)
    return 0
