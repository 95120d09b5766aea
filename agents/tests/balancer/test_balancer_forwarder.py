"""What is put into effect, and what stays when something fails."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from test_balancer_desired import CONFIG, NODES, service

from tricenter.balancer import commands
from tricenter.balancer.config import Config
from tricenter.balancer.forwarder import Forwarder

Run = Callable[..., Awaitable[str]]


class Collection:
    """What an informer shows of a collection."""

    def __init__(self, *objects: dict[str, Any], synced: bool = True) -> None:
        self.store = {obj["metadata"]["name"]: obj for obj in objects}
        self.synced = synced


class Machine:
    """Answers the commands of a director and remembers them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.broken: set[str] = set()
        self.loopback = "127.0.0.1"

    async def run(self, *command: str) -> str:
        self.calls.append(command)
        if command[0] in self.broken:
            raise commands.CommandError(f"{command[0]}: exit status 1")
        return f'[{{"addr_info": [{{"local": "{self.loopback}"}}]}}]' if command[0] == "ip" else ""

    def reloads(self) -> int:
        return sum("reload-or-restart" in call for call in self.calls)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(commands, "run", machine.run)
    return machine


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return dataclasses.replace(
        CONFIG,
        keepalived_config=tmp_path / "keepalived.conf",
        announced=tmp_path / "vips",
        loaded=tmp_path / "loaded",
        memory=tmp_path / "services.json",
        settle_seconds=0.0,
        retry_seconds=0.001,
    )


async def follow(config: Config, services: Collection, nodes: Collection, *, until: Callable[[], bool]) -> None:
    """Run a forwarder until it has applied and the condition holds."""
    applied = asyncio.Event()
    forwarder = Forwarder(config, services, nodes, applied.set)
    task = asyncio.create_task(forwarder.run())
    async with asyncio.timeout(30):
        while not until():
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait({task})


def written(config: Config) -> str:
    return config.keepalived_config.read_text() if config.keepalived_config.exists() else ""


async def test_start_without_the_api_forwards_ingress(config: Config, machine: Machine) -> None:
    nothing = Collection(synced=False)
    await follow(config, nothing, nothing, until=lambda: machine.calls[-1:] != [] and machine.calls[-1][0] == "ip")
    assert "virtual_server 203.0.113.10 80" in written(config)
    assert machine.reloads() == 1


async def test_start_without_the_api_forwards_what_was_known(config: Config, machine: Machine) -> None:
    services, nodes = Collection(service("shop", "203.0.113.11")), Collection(*NODES)
    await follow(config, services, nodes, until=lambda: machine.reloads() == 1 and config.loaded.exists())
    before, machine.calls = written(config), []
    nothing = Collection(synced=False)
    await follow(config, nothing, nothing, until=lambda: any(call[0] == "ip" for call in machine.calls))
    assert "virtual_server 203.0.113.11 80" in before
    assert written(config) == before
    assert machine.reloads() == 0


async def test_refused_configuration_leaves_the_last_good_one(config: Config, machine: Machine) -> None:
    config.keepalived_config.write_text("last good")
    machine.broken = {"keepalived"}
    await follow(config, Collection(), Collection(), until=lambda: len(machine.calls) > 3)
    assert written(config) == "last good"
    assert machine.reloads() == 0


async def test_failed_reload_is_tried_again(config: Config, machine: Machine) -> None:
    machine.broken = {"systemctl"}
    await follow(config, Collection(), Collection(), until=lambda: machine.reloads() >= 2)
    assert not config.loaded.exists()


async def test_forgotten_address_is_taken_from_loopback(config: Config, machine: Machine) -> None:
    machine.loopback = "203.0.113.77"
    down = (str(config.announce_command), "down", "203.0.113.77", "nobody")
    await follow(config, Collection(), Collection(), until=lambda: down in machine.calls)
    assert down in machine.calls
