"""Objects that exist in every cluster, created by the servers themselves."""
