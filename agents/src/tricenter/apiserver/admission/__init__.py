"""Admission: changes and refusals that depend on other objects."""
