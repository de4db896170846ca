"""Adds packages to the base: what its image holds is a constraint, and is never changed.

Lists are solved and frozen like those of any environment. Lists of hashed lines alone are not: they
are installed as they are, in both modes, and count as part of the base image for all others.
"""

from collections.abc import Sequence

from . import base_lists, install, paths, specs, thaw
from .specs import Spec


def update(names: Sequence[str]) -> None:
    """Installs lists; in frozen mode the frozen spec in place of those that are not hashed."""
    given = [_read(name) for name in names]
    hashed = [spec for spec in given if spec and base_lists.is_hashed(spec)]
    if hashed:
        base_lists.update(hashed)
    if len(hashed) == len(given):
        return
    if paths.is_frozen():
        thaw.add_to_base()
    else:
        install.update("base", [spec for spec in given if spec and spec not in hashed])


def _read(name: str) -> Spec | None:
    """Returns a list; None for one that is missing in a frozen image, which lacks solved lists."""
    try:
        path = specs.find(name, paths.spec_folder("base"))
    except specs.SpecError:
        if not paths.is_frozen():
            raise
        return None
    return specs.read(path)
