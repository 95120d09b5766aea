"""Writes through the API's anycast address as a node does, until its standard input ends; runs on a machine.

A write is an annotation of the node's own Lease and the next whole number. It is tried again until it is acknowledged;
what is printed at the end is JSON: how many were, the longest time from one acknowledgement to the next in seconds,
those not acknowledged within PATIENCE, and the number that the API server gives back.
"""

from __future__ import annotations

import http.client
import json
import select
import ssl
import sys
import time
from urllib.parse import urlsplit

PKI = "/etc/tricenter/pki"
PATIENCE = 30.0
"""Seconds after which a write that was tried again and again counts as failed."""
ATTEMPT = 0.5
"""Seconds that one attempt may take; the next one has a connection of its own, which meets a server that is there."""
PAUSE = 0.05
NAME = "tricenter.io/drill"


class Api:
    """One connection to the API, made again after each failure."""

    def __init__(self, server: str, path: str) -> None:
        self.host, self.path = urlsplit(server).netloc, path
        self.context = ssl.create_default_context(cafile=f"{PKI}/ca.crt")
        self.context.load_cert_chain(f"{PKI}/kubelet.crt", f"{PKI}/kubelet.key")
        self.connection: http.client.HTTPSConnection | None = None

    def ask(self, method: str, body: str | None = None) -> dict:
        """The answer, decoded; OSError or HTTPException where there is none, or none that is good."""
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.host, timeout=ATTEMPT, context=self.context)
        try:
            self.connection.request(method, self.path, body, {"Content-Type": "application/merge-patch+json"})
            answer = self.connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                raise ConnectionError(f"{answer.status} {content[:200]!r}")
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise
        return json.loads(content)

    def until_answered(self, method: str, body: str | None = None) -> dict | None:
        """The answer, None where none came in time."""
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            try:
                return self.ask(method, body)
            except (OSError, http.client.HTTPException):
                time.sleep(PAUSE)
        return None


def main(server: str, node: str) -> None:
    """Write, then read back."""
    api = Api(server, f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}")
    number, failed, longest, last = 0, 0, 0.0, 0.0
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        number += 1
        answer = api.until_answered("PATCH", json.dumps({"metadata": {"annotations": {NAME: str(number)}}}))
        failed += answer is None
        now = time.monotonic()
        longest, last = max(longest, now - last if last else 0.0), now
        if number == 1:
            print("writing", flush=True)
    stored = api.until_answered("GET") or {}
    api.until_answered("PATCH", json.dumps({"metadata": {"annotations": {NAME: None}}}))
    found = int(stored.get("metadata", {}).get("annotations", {}).get(NAME, 0))
    print(json.dumps({"acknowledged": number - failed, "longest": longest, "failed": failed, "lost": number - found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
