"""Configuration of an agent: a YAML file loaded once into frozen dataclasses.

Every mistake an operator can make in the file is an error that names the file, the key and the remedy; nothing is
silently ignored. Values are never coerced between types except an integer where a float is asked for and a string
where a path or an enumeration member is asked for.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

T = TypeVar("T")


class ConfigError(Exception):
    """The configuration file cannot be used; the message says where and why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ApiConfig:
    """How to reach the API server and who we are there."""

    server: str
    """Base URL, for example https://10.0.0.1:6443."""
    ca: Path
    """PEM file with the certificate authority that signed the server's certificate."""
    cert: Path
    """PEM file with our client certificate."""
    key: Path
    """PEM file with the private key of `cert`."""


def load(path: Path | str, cls: type[T]) -> T:
    """Read the YAML file `path` into the dataclass `cls`; raises ConfigError."""
    path = Path(path)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - both are safe loaders
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    return build({} if data is None else data, cls, source=str(path))


def build(data: Any, cls: type[T], *, source: str = "configuration") -> T:
    """Make the dataclass `cls` from plain data, as `load` does; `source` names the data in errors."""
    return typing.cast("T", _dataclass(data, cls, source, ""))


# The C loader is some ten times faster, which counts in an emulated machine; both refuse arbitrary objects.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _dataclass(data: Any, cls: Any, source: str, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise ConfigError(f"{source}: {where or 'the top level'} must be a mapping, not {_describe(data)}")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for key in data:
        if key not in fields:
            raise ConfigError(f"{source}: unknown key {_join(where, str(key))}{_suggest(str(key), list(fields))}")
    values = {key: _convert(value, hints[key], source, _join(where, key)) for key, value in data.items()}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise ConfigError(f"{source}: {_join(where, name)} is required")
    try:
        return cls(**values)
    except ValueError as error:  # a dataclass may check its own rules in __post_init__
        raise ConfigError(f"{source}: {where + ': ' if where else ''}{error}") from error


def _convert(value: Any, hint: Any, source: str, where: str) -> Any:
    origin = typing.get_origin(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _union(value, typing.get_args(hint), source, where)
    if origin is typing.Literal:
        if value in typing.get_args(hint):
            return value
        raise ConfigError(f"{source}: {where} must be one of {_names(typing.get_args(hint))}, not {value!r}")
    if origin is not None:
        return _container(value, hint, origin, source, where)
    if dataclasses.is_dataclass(hint):
        return _dataclass(value, hint, source, where)
    return _scalar(value, hint, source, where)


def _union(value: Any, options: Sequence[Any], source: str, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    failures: list[ConfigError] = []
    for option in options:
        if option is not type(None):
            try:
                return _convert(value, option, source, where)
            except ConfigError as error:
                failures.append(error)
    raise failures[0]


def _container(value: Any, hint: Any, origin: Any, source: str, where: str) -> Any:
    arguments = typing.get_args(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{source}: {where} must be a mapping, not {_describe(value)}")
        return {
            _convert(key, arguments[0], source, where): _convert(item, arguments[1], source, _join(where, str(key)))
            for key, item in value.items()
        }
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{source}: {where} must be a list, not {_describe(value)}")
    if (origin is tuple and len(arguments) != 2) or (origin is tuple and arguments[-1] is not Ellipsis):
        if len(value) != len(arguments):
            raise ConfigError(f"{source}: {where} must have {len(arguments)} items, not {len(value)}")
        kinds = list(arguments)
    else:
        kinds = [arguments[0]] * len(value)
    items = [
        _convert(item, kind, source, f"{where}[{index}]")
        for index, (item, kind) in enumerate(zip(value, kinds, strict=True))
    ]
    return {tuple: tuple, set: set, frozenset: frozenset}.get(origin, list)(items)


def _scalar(value: Any, hint: Any, source: str, where: str) -> Any:
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        try:
            return hint(value)
        except ValueError:
            names = _names([member.value for member in hint])
            raise ConfigError(f"{source}: {where} must be one of {names}, not {value!r}") from None
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    wanted = "path (string)" if hint is Path else hint.__name__
    raise ConfigError(f"{source}: {where} must be a {wanted}, not {_describe(value)}")


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _describe(value: Any) -> str:
    return "empty" if value is None else f"{type(value).__name__} {value!r}"


def _names(values: Sequence[Any]) -> str:
    return ", ".join(repr(value) for value in values)


def _suggest(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known keys are {', '.join(sorted(known))}"
