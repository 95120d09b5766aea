"""What rules had nothing to say against, so that they need not look at the same again.

Most objects are like others: the pods of a workload have the same containers, and an update leaves most as it is.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tricenter.apimachinery import alike

Found = TypeVar("Found")

_faultless: alike.Memory[bool] = alike.Memory()


def check(rule: Callable[..., Iterable[Found]], obj: dict[str, Any], path: str, **context: Any) -> Iterable[Found]:
    """The outcome of a rule that looks at nothing but `obj` and `context`; `path` only says where that is."""
    key = (rule, alike.content(obj), *context.values())
    if _faultless.get(key):
        return ()
    found = list(rule(obj, path, **context))
    if not found:
        _faultless.learn(key, value=True)
    return found
