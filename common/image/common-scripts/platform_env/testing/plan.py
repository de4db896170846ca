"""Selected tests, how many run at a time, and how long they took last time.

`image-test` tells the tester by a file; by hand, flags say it.
"""

import dataclasses
import fnmatch
import json
import math
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from platform_env.testing import pool

# Seconds that a notebook may take without a limit of its own.
NOTEBOOK_LIMIT = 600.0

# Duration of a notebook that is not known yet: it may be the longest.
UNKNOWN = float("inf")


@dataclasses.dataclass(frozen=True)
class Plan:
    """A selection of tests; an empty part of it selects all."""

    environments: Collection[str] = ()
    only: Collection[str] = ()  # patterns of names
    kinds: Collection[str] = ()
    tests: Collection[tuple[str, str, str]] = ()  # environment, kind and name
    without: Collection[tuple[str, str, str]] = ()  # tests that are left out
    jobs: int = dataclasses.field(default_factory=pool.cores)
    timeout: float = NOTEBOOK_LIMIT
    times: Mapping[tuple[str, str], float] = dataclasses.field(default_factory=dict)
    # The environment in which tests run, before that of their kernel.
    variables: Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(os.environ))
    disk: float = math.inf  # the bytes that the tests may leave on the disk together
    network: str = ""  # `none` where they have none
    # Of the image's configuration.
    entry_point: Sequence[str] = ()
    command: Sequence[str] = ()
    health: Sequence[str] = ()
    # Tests that passed in the image which this one was made from: they need not run again if they
    # cannot see what changed since.
    passed: Collection[tuple[str, str, str]] = ()
    # Environments whose results carry over from another image.
    carried: Collection[str] = ()
    # Whether digests of what tests depend on are wanted.
    dependencies: bool = False
    # Environment, kind and name of tests that have run.
    done: Collection[tuple[str, str, str]] = ()
    # Who asked from outside knows what should have run, and notices when nothing did.
    from_outside: bool = False

    def wants(self, environment: str, kind: str, name: str) -> bool:
        """Returns whether a test is selected."""
        return (
            (environment, kind, name) not in self.done
            and (environment, kind, name) not in self.without
            and (not self.environments or environment in self.environments)
            and (not self.only or any(fnmatch.fnmatchcase(name, it) for it in self.only))
            and (not self.kinds or kind in self.kinds)
            and (not self.tests or (environment, kind, name) in self.tests)
        )

    def wants_any(self, environment: str) -> bool:
        """Returns whether tests of an environment may be selected."""
        named = not self.tests or any(environment == it[0] for it in self.tests)
        return named and (not self.environments or environment in self.environments)

    def is_selection(self) -> bool:
        """Returns whether any test is left out."""
        return any((self.environments, self.only, self.kinds, self.tests, self.without))

    def seconds(self, environment: str, notebook: str) -> float:
        """Returns how long a notebook took last time."""
        return self.times.get((environment, notebook), UNKNOWN)


def read(file: Path) -> Plan:
    """Reads a plan from outside, a JSON object; its empty parts count as missing."""
    told = json.loads(file.read_text())
    times = [
        ((environment, it), time)
        for environment, name in told.pop("times").items()
        for it, time in name.items()
    ]
    tests = {tuple(test) for test in told.pop("tests")}
    without = {tuple(test) for test in told.pop("without", ())}
    passed = {tuple(test) for test in told.pop("passed", ())}
    sets = {"tests": tests, "without": without, "passed": passed}
    given = {name: value for name, value in told.items() if value}
    return Plan(**sets, times=dict(times), from_outside=True, **given)
