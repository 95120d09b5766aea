"""Custom resources by their structural schema (`openAPIV3Schema`, KEP-1144): defaults, pruning, rules; no I/O."""
