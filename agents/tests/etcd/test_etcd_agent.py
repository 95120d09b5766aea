"""The parts around the decisions: configuration, the gateway's answers, what lies on the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tricenter.etcd.config import Config
from tricenter.etcd.gateway import parse_member
from tricenter.etcd.machine import Machine
from tricenter.etcd.membership import Holding, Member
from tricenter.runtime import config

MEMBERS = [{"name": "a", "address": "10.0.0.1"}, {"name": "b", "address": "10.0.0.2"}]


def load(**changes: Any) -> Config:
    return config.build({"name": "a", "members": MEMBERS, **changes}, Config)


def test_urls_follow_from_the_members() -> None:
    loaded = load()
    assert loaded.peer_url(loaded.own) == "https://10.0.0.1:2380"
    assert [loaded.client_url(member) for member in loaded.others] == ["https://10.0.0.2:2379"]
    assert loaded.agent_url(loaded.own) == "https://10.0.0.1:2381"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "c"}, "is not among members"),
        ({"members": MEMBERS * 2}, "same name"),
        ({"bootstrap_without": ["x"]}, "no member"),
        ({"client_prot": 1}, "did you mean client_port"),
    ],
)
def test_a_wrong_configuration_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(config.ConfigError, match=message):
        load(**changes)


def test_the_gateway_leaves_out_what_is_false_or_empty() -> None:
    entry = {"ID": "7", "peerURLs": ["https://10.0.0.1:2380"], "isLearner": True}
    assert parse_member(entry) == Member("7", "", "https://10.0.0.1:2380", started=False, learner=True)
    entry = {"ID": "8", "name": "b", "peerURLs": ["https://10.0.0.2:2380"], "clientURLs": ["https://10.0.0.2:2379"]}
    assert parse_member(entry) == Member("8", "b", "https://10.0.0.2:2380", started=True, learner=False)


def test_what_lies_on_the_machine(tmp_path: Path) -> None:
    start = tmp_path / "start.env"
    machine = Machine(unit="etcd.service", data_dir=tmp_path / "data", start_file=start)
    assert machine.holding() is Holding.NOTHING
    (tmp_path / "data/member/wal").mkdir(parents=True)
    assert machine.holding() is Holding.NOTHING
    (tmp_path / "data/member/wal/0000000000000000-0000000000000000.wal").touch()
    start.touch()
    assert machine.holding() is Holding.STARTING
    machine.settled()
    assert machine.holding() is Holding.DATA
    machine.settled()
