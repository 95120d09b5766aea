"""The dns agent: names of Services, in zones that Knot DNS serves."""
