"""Mitogen's linear strategy, wherever Mitogen is installed.

ansible.cfg needs a folder for `strategy_plugins`; Mitogen's own lies inside a virtual environment whose path
differs with each Python release. Importing it from the running interpreter needs no path.
"""

from __future__ import annotations

from ansible.plugins.strategy import linear
from ansible_mitogen import strategy

DOCUMENTATION = """
name: mitogen_linear
short_description: The linear strategy over Mitogen's connections
description:
  - Works like C(linear); modules run in a long-lived interpreter on each machine.
"""


class StrategyModule(strategy.StrategyMixin, linear.StrategyModule):  # type: ignore[misc]
    """The linear strategy with Mitogen's connections and module runner mixed in."""
