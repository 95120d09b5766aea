"""Property tests of all agents: the same examples on every run, and no time limit for one of them.

The machine that runs them may carry a whole replica. To look for new examples: `pytest --hypothesis-profile=default`.
"""

from hypothesis import settings

settings.load_profile("ci")
