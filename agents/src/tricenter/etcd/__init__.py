"""The etcd agent: keeps this machine's etcd a healthy voter of the cluster that the inventory describes."""
