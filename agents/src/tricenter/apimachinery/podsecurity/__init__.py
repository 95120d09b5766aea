"""The Pod Security Standards: which pods a level allows (KEP-2579, k8s.io/pod-security-admission).

`policy` reads what a namespace's labels ask for, `evaluate` says what of a pod a level forbids.
"""

from tricenter.apimachinery.podsecurity.baseline import SECCOMP_ANNOTATIONS
from tricenter.apimachinery.podsecurity.evaluate import Verdict, evaluate
from tricenter.apimachinery.podsecurity.policy import PRIVILEGED, Level, LevelVersion, Policy, from_labels

__all__ = [
    "PRIVILEGED",
    "SECCOMP_ANNOTATIONS",
    "Level",
    "LevelVersion",
    "Policy",
    "Verdict",
    "evaluate",
    "from_labels",
]
