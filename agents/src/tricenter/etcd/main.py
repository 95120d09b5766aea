"""The etcd agent's loop: look around, decide (`membership`), act, again."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import aiohttp

from tricenter.etcd import membership, server
from tricenter.etcd.config import Config, Member
from tricenter.etcd.gateway import Gateway, GatewayError
from tricenter.etcd.machine import Machine, UnitError
from tricenter.etcd.membership import Holding
from tricenter.runtime import metrics, notify, tasks, tls

_log = logging.getLogger(__name__)

HEALTHY = metrics.Gauge("tricenter_etcd_healthy", "1 while this member answers a linearizable read")
VOTERS = metrics.Gauge("tricenter_etcd_voters", "Voters in the cluster's list")
ACTIONS = metrics.Counter("tricenter_etcd_actions", "Steps taken about membership", ["action"])


class Agent:
    """State of the loop between two looks."""

    def __init__(self, config: Config, session: aiohttp.ClientSession, context: tls.Context) -> None:
        self._config = config
        self._session = session
        self._context = context
        self._gateway = Gateway(session)
        self._machine = Machine(unit=config.unit, data_dir=config.data_dir, start_file=config.start_file)
        self._healthy = False
        self._ready = False
        self._said = ""
        self._asked = config.client_url(config.own)

    def state(self) -> dict[str, Any]:
        """What this agent tells the others."""
        return {
            "name": self._config.name,
            "holding": self._machine.holding().value,
            "healthy": self._healthy,
            "doing": self._said,
        }

    async def run(self) -> None:
        """Look and act for ever."""
        while True:
            calm = False
            try:
                calm = await self._step()
            except (GatewayError, UnitError) as error:
                # A refusal (quorum at risk, learner not in sync, systemd busy) passes; the next look decides anew.
                self._say(f"not yet: {error}")
            await asyncio.sleep(self._config.interval if calm else self._config.urgent_interval)

    async def _step(self) -> bool:
        """One look and one action; True where there was nothing to do."""
        seen = await self._look()
        self._note_health(seen)
        action = membership.decide(seen)
        await self._act(action)
        return isinstance(action, membership.Nothing) and self._healthy

    async def _look(self) -> membership.Observation:
        config = self._config
        self._context.refresh()
        running = await self._machine.running()
        self._healthy = running and await self._gateway.healthy(config.client_url(config.own))
        members, others = await asyncio.gather(self._members(running=running), self._others())
        return membership.Observation(
            name=config.name,
            peer_url=config.peer_url(config.own),
            holding=self._machine.holding(),
            running=running,
            members=members,
            others=others,
            dispensable=frozenset(config.bootstrap_without),
        )

    async def _members(self, *, running: bool) -> tuple[membership.Member, ...] | None:
        """The cluster's list as a member with a quorum gives it: this one, or any of the others at once."""
        members = await self._list(self._config.own) if running else None
        if members is None:
            answers = await asyncio.gather(*(self._list(member) for member in self._config.others))
            members = next((answer for answer in answers if answer is not None), None)
        if members is not None:
            VOTERS.set(sum(not entry.learner for entry in members))
        return members

    async def _list(self, member: Member) -> tuple[membership.Member, ...] | None:
        url = self._config.client_url(member)
        try:
            members = await self._gateway.members(url)
        except GatewayError as error:
            _log.debug("no list of members: %s", error)
            return None
        self._asked = url
        return members

    async def _others(self) -> dict[str, Holding | None]:
        """What the other agents hold; only asked where this one holds nothing, nobody else decides by it."""
        if self._machine.holding() is not Holding.NOTHING:
            return {}
        answers = await asyncio.gather(*(self._ask(member) for member in self._config.others))
        return {member.name: answer for member, answer in zip(self._config.others, answers, strict=True)}

    async def _ask(self, member: Member) -> Holding | None:
        try:
            async with self._session.get(self._config.agent_url(member) + "/state") as response:
                return Holding(json.loads(await response.read())["holding"])
        except (TimeoutError, aiohttp.ClientError, ValueError, KeyError) as error:
            _log.debug("no answer from the agent of %s: %s", member.name, error)
            return None

    def _note_health(self, seen: membership.Observation) -> None:
        """Metrics, READY at the first healthy look, and the end of a first start."""
        HEALTHY.set(self._healthy)
        own = seen.own
        if not self._healthy or (own is not None and own.learner):
            return
        self._machine.settled()
        if not self._ready:
            self._ready = True
            notify.ready()
        self._say("healthy")

    async def _act(self, action: membership.Action) -> None:
        config = self._config
        if not isinstance(action, membership.Nothing | membership.Wait):
            ACTIONS.labels(type(action).__name__).inc()
            self._say(str(action))
        match action:
            case membership.Nothing() if not self._healthy:
                self._say("etcd runs, waiting for a quorum")
            case membership.Wait(reason):
                self._say(f"waiting: {reason}")
            case membership.Start():
                await self._machine.start()
            case membership.Bootstrap():
                initial = {member.name: config.peer_url(member) for member in config.members}
                await self._machine.start_first(state="new", initial=initial, token=config.cluster_token)
            case membership.Join(initial):
                await self._machine.start_first(state="existing", initial=initial, token=config.cluster_token)
            case membership.AddLearner():
                await self._gateway.add_learner(self._asked, config.peer_url(config.own))
            case membership.Remove(member_id):
                await self._gateway.remove(self._asked, member_id)
            case membership.Promote(member_id):
                await self._gateway.promote(self._asked, member_id)
            case membership.SetAside():
                self._say(f"the cluster has removed this member; its data is kept at {await self._machine.set_aside()}")

    def _say(self, text: str) -> None:
        """To the log and to systemd, once for each change."""
        if text != self._said:
            self._said = text
            _log.info("%s", text)
            notify.status(text)


async def run(config: Config, *, stop: asyncio.Event) -> None:
    """Run until `stop`; etcd stays as it is."""
    context = tls.client_context(config.tls.ca, config.tls.cert, config.tls.key)
    timeout = aiohttp.ClientTimeout(total=config.timeout)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        agent = Agent(config, session, context)
        async with server.serve(config, agent.state):
            await tasks.until(stop, agent.run(), notify.keep_alive())
