"""A mistake in a configuration file is told with file, key and remedy."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.runtime import config


class Mode(enum.Enum):
    FAST = "fast"
    SAFE = "safe"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    name: str
    weight: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Whole:
    api: config.ApiConfig | None = None
    parts: tuple[Part, ...] = ()
    ranges: dict[str, str] = dataclasses.field(default_factory=dict)
    mode: Mode = Mode.FAST
    path: Path | None = None
    seconds: float = 40.0
    workers: int = 2
    enabled: bool = True
    pair: tuple[int, int] = (1, 2)


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "agent.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_full_file_becomes_dataclasses(tmp_path: Path) -> None:
    text = """
api: {server: "https://10.0.0.1:6443", ca: /a, cert: /b, key: /c}
parts: [{name: one}, {name: two, weight: 3}]
ranges: {east1: 10.101.0.0/16}
mode: safe
path: /var/lib/x
seconds: 10
pair: [3, 4]
"""
    whole = config.load(write(tmp_path, text), Whole)
    assert whole.api == config.ApiConfig(server="https://10.0.0.1:6443", ca=Path("/a"), cert=Path("/b"), key=Path("/c"))
    assert whole.parts == (Part(name="one"), Part(name="two", weight=3.0))
    assert (whole.mode, whole.path, whole.seconds, whole.pair) == (Mode.SAFE, Path("/var/lib/x"), 10.0, (3, 4))
    assert isinstance(whole.seconds, float)


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert config.load(write(tmp_path, ""), Whole) == Whole()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wrokers: 3", "unknown key wrokers; did you mean workers?"),
        ("parts: [{nam: x}]", "unknown key parts[0].nam; did you mean name?"),
        ("parts: [{}]", "parts[0].name is required"),
        ("workers: many", "workers must be a int, not str 'many'"),
        ("workers: true", "workers must be a int, not bool True"),
        ("enabled: 1", "enabled must be a bool, not int 1"),
        ("mode: quick", "mode must be one of 'fast', 'safe', not 'quick'"),
        ("pair: [1]", "pair must have 2 items, not 1"),
        ("parts: 3", "parts must be a list, not int 3"),
        ("ranges: [a]", "ranges must be a mapping"),
        ("- a", "the top level must be a mapping"),
        ("workers:", "workers must be a int, not empty"),
        ("a: [", "not YAML"),
    ],
)
def test_mistakes_name_file_key_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(config.ConfigError) as caught:
        config.load(file, Whole)
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="No such file"):
        config.load(tmp_path / "none.yaml", Whole)


@given(st.text(min_size=1).filter(lambda name: name not in {field.name for field in dataclasses.fields(Whole)}))
def test_no_unknown_key_is_ever_ignored(key: str) -> None:
    with pytest.raises(config.ConfigError, match="unknown key"):
        config.build({key: 1}, Whole)
