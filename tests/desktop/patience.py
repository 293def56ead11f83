"""How much slower than promised a busy machine may be.

The promises (1.5 s to the window, 50 ms at most without a turn for it) are for a machine that
does nothing else. Where more programs want a core than there are cores, each waits its turn:
the bound grows with their number, and is the promise itself on a quiet machine.
"""

from __future__ import annotations

import os


def allowance() -> float:
    """1 on a quiet machine; twice the programs per core on a busy one."""
    per_core = os.getloadavg()[0] / (os.cpu_count() or 1)
    return 1.0 if per_core <= 1.0 else 2.0 * per_core
