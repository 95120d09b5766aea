"""Admission webhooks: others look at requests, and may change them, over HTTPS (admissionregistration.k8s.io/v1)."""
