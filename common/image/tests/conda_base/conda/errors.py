"""Errors, named and numbered as conda's are."""

from typing import NoReturn

USAGE = 2


class CondaError(Exception):
    """An error with the name of conda's class; conda exits with 1 unless it says otherwise."""

    def __init__(self, kind: str, message: str, status: int = 1) -> None:
        super().__init__(f"{kind}: {message}" if kind else message)
        self.kind = kind
        self.status = status


def fail(kind: str, message: str, status: int = 1) -> NoReturn:
    raise CondaError(kind, message, status)


def unsupported(thing: str) -> NoReturn:
    """Refuses what conda may know and the stand-in does not: no test may depend on it."""
    fail("StandInError", f"{thing} is not supported by this stand-in for conda", 3)
