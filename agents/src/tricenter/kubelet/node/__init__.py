"""The Node object, its lease, and the node's part of pod networking."""
