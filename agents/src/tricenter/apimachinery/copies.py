"""Deep copies of objects.

Objects are what JSON has and nothing else, so going through JSON copies them; it takes a seventh of the time of
`copy.deepcopy`, which looks at every value for what it may be.
"""

from typing import Any, TypeVar

import orjson

Value = TypeVar("Value")


def deep(obj: Value) -> Value:
    """A copy that shares nothing with `obj`."""
    copied: Value = orjson.loads(orjson.dumps(obj))
    return copied


def apart(obj: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A copy of an object of the API whose metadata and whatever is not a member of `other`, too, may be changed.

    Members that both share stay shared, and count as the same at a glance; who changes one has to copy it.
    """
    return {key: value if key != "metadata" and value is other.get(key) else deep(value) for key, value in obj.items()}
