"""What every agent needs around its own work: configuration, logs, signals, sd_notify, TLS, metrics, tasks."""
