"""Limits of requests: nobody's flood delays what keeps the site alive (API priority and fairness, KEP-1040)."""
