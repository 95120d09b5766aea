"""The balancer agent: public addresses at the edge of a rack, by IPVS direct routing.

Runs on every director. One of them, the leader, gives addresses to Services of type LoadBalancer; all of them
forward these addresses, and that of Ingress, to machines of their own rack. keepalived checks those machines and
programs IPVS; while one is healthy the address is on loopback, from where BIRD announces it. An agent that ends, or
that loses the API, leaves all of that as it is.
"""
