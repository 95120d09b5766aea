"""The shared, pure rules of the Kubernetes API: kinds, schema, selectors, quantities, patches, ownership, tables.

Nothing in here talks to anything; the only file that is read is the packaged schema, and only by those who ask for it.
"""
