"""The scheduler: gives every pod a node.

`state` holds nodes and placed pods with sums kept current, `decide` is the pure decision over it (`filters`, `spread`,
`interpod`, `scoring`), `backlog` orders the pods that wait, `cycle` applies decisions by the binding subresource.
"""
