"""The control loops: each drives one kind of object towards what its spec says.

A module here is one controller: plain functions that decide, and a class that reads informers, calls them and writes
the difference. They share one process, one set of informers and one lease.
"""
