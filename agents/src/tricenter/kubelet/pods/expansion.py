"""$(NAME) references in commands, arguments and environment values (core/v1 Container.command, EnvVar.value)."""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\$|\((?P<name>[^()]*)\))")


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace $(NAME) where the name is known; $$ stands for one dollar, anything else stays as written.

    >>> expand("$(A)-$(B)-$$(A)", {"A": "1"})
    '1-$(B)-$(A)'
    """

    def replacement(match: re.Match[str]) -> str:
        name = match["name"]
        return "$" if name is None else values.get(name, match[0])

    return _REFERENCE.sub(replacement, text)
