"""metrics.k8s.io/v1beta1: what nodes and pods use now."""
