"""The Common Expression Language as Kubernetes has it: rules of CRDs (KEP-2876), policies (KEP-3488), match conditions.

`compile` gives a Program, `Program.evaluate` a Python value. Parsing, type checking and evaluating is Google's CEL for
C++; the Kubernetes libraries on top of it (k8s.io/apiserver/pkg/cel/library) are the modules beside this one.

An evaluation is bounded before it starts: `cost` gives an upper bound of the work for the sizes of the bindings.
"""

from tricenter.apimachinery.cel.errors import CelError, CompileError, CostExceeded, EvaluationError
from tricenter.apimachinery.cel.program import Bindings, Program, bindable, compile  # noqa: A004 - read as cel.compile

__all__ = [
    "Bindings",
    "CelError",
    "CompileError",
    "CostExceeded",
    "EvaluationError",
    "Program",
    "bindable",
    "compile",
]
