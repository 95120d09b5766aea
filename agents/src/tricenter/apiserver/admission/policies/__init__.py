"""ValidatingAdmissionPolicy: rules in CEL that bindings put into force (KEP-3488)."""
