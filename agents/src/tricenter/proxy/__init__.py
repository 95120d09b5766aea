"""The proxy agent: Services on every node, carried by nftables (KEP-3866 describes upstream's counterpart)."""
