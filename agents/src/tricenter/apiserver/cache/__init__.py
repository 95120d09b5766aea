"""The watch cache: every object as encoded bytes, with what selectors need, fed by one etcd watch."""
