"""etcd as the store of API objects."""
