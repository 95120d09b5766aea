"""How the machines and cables of a site come to exist on one host (design, section 8).

The inventory says what there is; `plan` turns it into machines and cables, the other modules make the host match.
"""

import os

REPLICA = os.environ.get("TRICENTER_REPLICA", "tri")
"""Name of this replica on the host: a second one beside it, as the tests of single roles make, has another."""
