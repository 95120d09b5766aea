"""Property tests: the same examples on every run and no time limit for one of them, as for the agents."""

from hypothesis import settings

settings.load_profile("ci")
