"""Client of the Kubernetes API: requests, informers, work queues, leader election, events."""

from tricenter.client.api import Client, ObjectList
from tricenter.client.informer import Informer
from tricenter.client.resources import Resource

__all__ = ["Client", "Informer", "ObjectList", "Resource"]
