"""The parameters of `pods/log`, checked as upstream's ValidatePodLogOptions (pkg/apis/core/validation) does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tricenter.apimachinery import fielderrors, times
from tricenter.apimachinery.fielderrors import FieldError
from tricenter.apiserver import errors
from tricenter.apiserver.rest import listoptions
from tricenter.apiserver.rest.call import Call

_LEAST = {"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1}
_STREAMS = ("All", "Stderr", "Stdout")


def check(call: Call) -> None:
    """Raises BadRequest for what is no number or time, Invalid for what breaks a rule."""
    problems = list(_problems(call.query))
    if problems:
        target = errors.Target(kind="PodLogOptions", name=call.info.name)
        raise errors.invalid(target, problems)


def _problems(query: Mapping[str, str]) -> Iterator[FieldError]:
    for name, least in _LEAST.items():
        if query.get(name) and (value := listoptions.number(query[name])) < least:
            detail = "must be greater than or equal to 0" if least == 0 else "must be greater than 0"
            yield fielderrors.invalid(name, value, detail)
    if query.get("sinceTime"):
        _check_time(query["sinceTime"])
        if query.get("sinceSeconds"):
            yield fielderrors.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified")
    stream = query.get("stream") or "All"
    if stream not in _STREAMS:
        yield fielderrors.not_supported("stream", stream, _STREAMS)
    elif stream != "All" and query.get("tailLines"):
        yield fielderrors.forbidden("", "`tailLines` and specific `stream` are mutually exclusive for now")


def _check_time(text: str) -> None:
    try:
        times.parse(text)
    except ValueError:
        raise errors.BadRequest(
            f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}"'
        ) from None
