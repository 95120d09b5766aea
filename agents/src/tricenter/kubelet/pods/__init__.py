"""From a pod's object to containers: decisions (pure), what CRI is asked for, status."""
