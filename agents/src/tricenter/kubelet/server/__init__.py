"""The HTTPS server of the kubelet: logs, exec, attach, port forwarding, metrics."""
