"""Time limits. PATIENCE stretches all of them on a slow or busy machine."""

import math
import os

SETTING = "PATIENCE"

# Seconds; a kernel that takes longer to answer does not start.
KERNEL_START = 300


def patience() -> float:
    """Returns the factor of all limits: 1 unless the environment sets another."""
    try:
        factor = float(os.environ.get(SETTING) or 1)
    except ValueError:
        return 1.0
    return factor if 0 < factor < math.inf else 1.0


def stretched(seconds: float) -> float:
    """Returns a limit for this machine."""
    return seconds * patience()


def advice() -> str:
    """Returns advice about a limit that is too short, for the end of a message."""
    return f"{SETTING}={2 * patience():g} doubles all limits"
