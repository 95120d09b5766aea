"""The Kubernetes API over etcd: storage, watch cache, REST, authentication, authorisation and admission."""
