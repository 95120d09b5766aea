"""The ingress agent: Ingress objects to nginx, layer 7 of the way in."""
