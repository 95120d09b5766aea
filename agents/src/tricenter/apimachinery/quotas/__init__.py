"""Resource quotas: what objects use, which of it a quota counts, and whether there is room for more.

The API server charges what is created, the quota controller counts anew what there is; both by these rules
(k8s.io/apiserver pkg/quota/v1, pkg/quota/v1/evaluator/core).
"""

from tricenter.apimachinery.quotas.charge import Refused, charge
from tricenter.apimachinery.quotas.matching import matches
from tricenter.apimachinery.quotas.usage import Usage, counted_resources, usage_of

__all__ = ["Refused", "Usage", "charge", "counted_resources", "matches", "usage_of"]
