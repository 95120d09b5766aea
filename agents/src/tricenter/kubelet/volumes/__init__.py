"""Volumes of pods: what is mounted where, and the files in them."""
