"""Keeps nginx equal to the Ingress objects, and says on each Ingress where it is served and what is wrong with it.

The last good configuration stays until a better one passes `nginx -t`. What nginx refuses in spite of our own checks
is traced to the Ingress that brought it by leaving Ingresses out; only that one is not served.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from tricenter.ingress import backends, certificates, decide, nginx, render
from tricenter.ingress.config import Config
from tricenter.ingress.model import Problem, Site
from tricenter.runtime import metrics

Object = dict[str, Any]

_RETRY_SECONDS = 5.0

_log = logging.getLogger(__name__)

RELOADS = metrics.Counter("tricenter_ingress_reloads_total", "Configurations given to nginx")
REFUSALS = metrics.Counter("tricenter_ingress_refusals_total", "Configurations that nginx refused")
PUBLISH_SECONDS = metrics.Histogram("tricenter_ingress_publish_seconds", "From taking up changes to the reload")


class Objects(backends.Objects, Protocol):
    """What the publisher reads."""

    def ingresses(self) -> Iterable[Object]:
        """All Ingresses."""

    def classes(self) -> Iterable[Object]:
        """All IngressClasses."""


class Publisher:
    """Takes notice of changes (`changed`) and publishes them (`run`)."""

    def __init__(
        self,
        config: Config,
        objects: Objects,
        report: Callable[[Object, Problem], None],
        served: Callable[[list[Object]], None],
    ) -> None:
        self._config = config
        self._objects = objects
        self._report = report
        self._served = served
        self._wake = asyncio.Event()
        self._reported: set[Problem] = set()
        self._refused: dict[str, str] = {}
        """Ingresses that nginx refused: the configuration that each one alone makes."""
        self._folder = config.state_dir / "tls"

    def changed(self) -> None:
        """Some object is new, different or gone."""
        self._wake.set()

    async def run(self, published: Callable[[], None]) -> None:
        """Publish changes until cancelled, and say so each time."""
        certificates.ensure_own(self._folder / f"{render.OWN_CERTIFICATE}.pem")
        self._wake.set()
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._config.settle_seconds)
            self._wake.clear()
            try:
                await self.publish()
                published()
            except nginx.NginxError as error:
                _log.error("nginx refuses even a configuration without Ingresses: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
                self._wake.set()
            await asyncio.sleep(self._config.reload_seconds)

    async def publish(self) -> None:
        """Bring nginx in line with the objects as they are now."""
        started = time.monotonic()
        classes = list(self._objects.classes())
        ours = [
            ingress
            for ingress in self._objects.ingresses()
            if decide.served_here(ingress, classes, self._config.controller)
        ]
        good = await self._without_refused(ours)
        site, text = self._render(good)
        if text != nginx.installed(self._config):
            try:
                await nginx.test(self._config, text)
            except nginx.NginxError as error:
                REFUSALS.inc()
                _log.error("nginx refused: %s", error)
                site, text = await self._isolate(good)
            nginx.install(self._config, text)
            RELOADS.inc()
            PUBLISH_SECONDS.observe(time.monotonic() - started)
            _log.info("nginx serves %s Ingresses on %s hosts", len(good), len(site.servers) - 1)
        certificates.forget_others(self._folder, {render.OWN_CERTIFICATE, *site.certificates})
        self._tell(ours, site)

    async def _without_refused(self, ours: list[Object]) -> list[Object]:
        """An Ingress that nginx refused is tried again, by itself, once it or what it leads to has changed."""
        before, self._refused = self._refused, {}
        return [item for item in ours if decide.key_of(item) not in before or await self._mended(item, before)]

    async def _mended(self, ingress: Object, before: dict[str, str]) -> bool:
        key, text = decide.key_of(ingress), self._render([ingress])[1]
        if text == before[key]:
            self._refused[key] = text
            return False
        try:
            await nginx.test(self._config, text)
        except nginx.NginxError as error:
            self._refuse(ingress, error)
            return False
        return True

    def _render(self, ingresses: list[Object]) -> tuple[Site, str]:
        site = decide.site(ingresses, _CheckedSecrets(self._objects, self._folder), self._config.zone)
        certificates.write(self._folder, site.certificates)
        health = f"{self._config.machine_address}:{self._config.health_port}"
        text = render.render(site, addresses=self._config.addresses, health=health, certificates=self._folder)
        return site, text

    async def _isolate(self, ingresses: list[Object]) -> tuple[Site, str]:
        """Leave out those that nginx refuses, found by halves: it is asked a few times, not once for each Ingress."""
        kept: list[Object] = []
        site, text = self._render(kept)
        await nginx.test(self._config, text)
        groups = [ingresses]
        while groups:
            group = groups.pop()
            candidate, attempt = self._render([*kept, *group])
            try:
                await nginx.test(self._config, attempt)
            except nginx.NginxError as error:
                if len(group) > 1:
                    half = len(group) // 2
                    groups += [group[half:], group[:half]]
                else:
                    self._refuse(group[0], error)
            else:
                kept += group
                site, text = candidate, attempt
        return site, text

    def _refuse(self, ingress: Object, error: nginx.NginxError) -> None:
        key = decide.key_of(ingress)
        self._refused[key] = self._render([ingress])[1]
        self._report(ingress, Problem(ingress=key, reason="Refused", message=f"nginx: {error}"))

    def _tell(self, ours: list[Object], site: Site) -> None:
        by_key = {decide.key_of(ingress): ingress for ingress in ours}
        for problem in set(site.problems) - self._reported:
            self._report(by_key[problem.ingress], problem)
        self._reported = set(site.problems)
        self._served([ingress for key, ingress in by_key.items() if key not in self._refused])


class _CheckedSecrets:
    """The objects, but Secrets only when TLS accepts their key pair: one bad Secret would stop all of nginx."""

    def __init__(self, objects: Objects, folder: Path) -> None:
        self._objects = objects
        self._folder = folder
        self.service = objects.service
        self.slices = objects.slices

    def secret(self, key: str) -> Object | None:
        """The Secret if its key pair can be used."""
        secret = self._objects.secret(key)
        pem = decide.key_pair(secret)
        if pem is None:
            return None
        return None if certificates.fault(self._folder, pem) else secret
