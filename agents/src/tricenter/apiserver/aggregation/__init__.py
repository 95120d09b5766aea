"""APIs that other servers serve: APIService objects, their availability, the way to them (kube-aggregator)."""
