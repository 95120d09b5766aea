"""How the machines and cables of a site come to exist on one host (design, section 8).

The inventory says what there is; `plan` turns it into machines and cables, the other modules make the host match.
"""
