"""Which tests are asked for, how many run at a time, and how long they took last time.

With TEST_PLAN set to a file, its JSON object says so to whichever script runs the tests, so that a
mission's own entry point need not pass anything on. The flags of a script go before it.
"""

import dataclasses
import fnmatch
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from platform_env import notebooks, pool

# What takes how long is not known at first: it may be the longest.
UNKNOWN = float("inf")


@dataclasses.dataclass(frozen=True)
class Plan:
    """A selection of tests; an empty part of it selects all."""

    environments: Collection[str] = ()
    only: Collection[str] = ()  # patterns of names
    kinds: Collection[str] = ()
    tests: Collection[tuple[str, str, str]] = ()  # environment, kind and name
    jobs: int = dataclasses.field(default_factory=pool.cores)
    timeout: float = notebooks.LIMIT
    times: Mapping[tuple[str, str], float] = dataclasses.field(default_factory=dict)
    # Who asked from outside knows what should have run, and notices when nothing did.
    from_outside: bool = False

    def wants(self, environment: str, kind: str, name: str) -> bool:
        """Whether a test is selected."""
        return (
            (not self.environments or environment in self.environments)
            and (not self.only or any(fnmatch.fnmatchcase(name, it) for it in self.only))
            and (not self.kinds or kind in self.kinds)
            and (not self.tests or (environment, kind, name) in self.tests)
        )

    def wants_any(self, environment: str) -> bool:
        """Whether tests of an environment may be selected."""
        named = not self.tests or any(environment == it[0] for it in self.tests)
        return named and (not self.environments or environment in self.environments)

    def is_selection(self) -> bool:
        """Whether any test is left out."""
        return any((self.environments, self.only, self.kinds, self.tests))

    def seconds(self, environment: str, notebook: str) -> float:
        """How long a notebook took last time."""
        return self.times.get((environment, notebook), UNKNOWN)


def read() -> Plan:
    """The plan from outside, or that of all tests."""
    file = os.environ.get("TEST_PLAN")
    if not file:
        return Plan()
    told = json.loads(Path(file).read_text())
    times = [
        ((environment, it), time)
        for environment, name in told.pop("times").items()
        for it, time in name.items()
    ]
    tests = {tuple(test) for test in told.pop("tests")}
    given = {name: value for name, value in told.items() if value}
    return Plan(tests=tests, times=dict(times), from_outside=True, **given)
