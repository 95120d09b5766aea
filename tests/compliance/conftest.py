"""Compliance tests: what a running site must do, asked of its machines over ssh.

A test says on which group it runs, ``@pytest.mark.on("node")``, and gets one case a machine; ``one_of`` picks the
first. Connections are testinfra's paramiko backend, one a machine. When a test fails, the journal of the units
that it is about (``@pytest.mark.unit("tricenter-kubelet")``) is printed with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import testinfra

import site_inventory


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "on(pattern): run once on every machine of the group or pattern")
    config.addinivalue_line("markers", "one_of(pattern): run on the first machine of the group or pattern")
    config.addinivalue_line("markers", "unit(*names): print these units' journal when the test fails")
    # testinfra's paramiko backend reads no known_hosts and warns each time; ssh and Ansible do check the keys
    config.addinivalue_line("filterwarnings", "ignore:Unknown ssh-:UserWarning")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "machine" not in metafunc.fixturenames:
        return
    site = site_inventory.of(metafunc.config)
    for name, limit in (("on", None), ("one_of", 1)):
        marker = metafunc.definition.get_closest_marker(name)
        if marker:
            metafunc.parametrize("machine", site.group(marker.args[0])[:limit], ids=str)
            return


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add the journal of the units that a failed test is about."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    marker = item.get_closest_marker("unit")
    host = getattr(item, "funcargs", {}).get("host")
    if report.when == "call" and report.failed and marker and host:
        for unit in marker.args:
            result = host.run("journalctl --no-pager --output=short-iso --lines=30 --unit=%s", unit)
            report.sections.append((f"journal of {unit}", result.stdout))


@pytest.fixture(scope="session")
def connect(site: site_inventory.Site) -> Callable[[str], Any]:
    """A function from a machine's name to its testinfra host; one connection a machine for the whole run."""
    hosts: dict[str, Any] = {}

    def connect_to(name: str) -> Any:
        if name not in hosts:
            machine = site.machines[name]
            through_replica = "ssh_config" in _ssh_args(machine)
            settings = f"?ssh_config={site['tricenter_state_dir']}/ssh_config" if through_replica else ""
            hosts[name] = testinfra.get_host(f"paramiko://root@{machine['ansible_host']}{settings}")
        return hosts[name]

    return connect_to


@pytest.fixture
def host(machine: site_inventory.Machine, connect: Callable[[str], Any]) -> Any:
    """The machine that this case runs on."""
    return connect(machine.name)


def _ssh_args(machine: site_inventory.Machine) -> str:
    """What Ansible gives ssh for this machine: the replica's machines have a configuration file of their own."""
    return str(machine.get("ansible_ssh_common_args", ""))
