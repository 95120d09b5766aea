"""Configuration of the scheduler agent."""

from __future__ import annotations

import dataclasses
import socket

from tricenter.runtime.config import ApiConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What /etc/tricenter/scheduler.yaml may say."""

    api: ApiConfig
    """The API server and our identity there (system:kube-scheduler)."""
    identity: str = dataclasses.field(default_factory=socket.gethostname)
    """Our name in the election; unique among the schedulers."""
    scheduler_name: str = "default-scheduler"
    """The `spec.schedulerName` of the pods we place."""
    metrics_address: str = "127.0.0.1"
    """Address that serves /metrics."""
    metrics_port: int = 10259
    """Port that serves /metrics; 0 serves none."""
