"""How long things may take. PATIENCE stretches all limits on a slow or busy machine."""

import math
import os

SETTING = "PATIENCE"


def patience() -> float:
    """The factor of all limits: 1 unless the environment says otherwise."""
    try:
        factor = float(os.environ.get(SETTING) or 1)
    except ValueError:
        return 1.0
    return factor if 0 < factor < math.inf else 1.0


def stretched(seconds: float) -> float:
    """A limit on this machine."""
    return seconds * patience()


def advice() -> str:
    """What helps where a limit is too short, for the end of a message."""
    return f"{SETTING}={2 * patience():g} doubles all limits"
