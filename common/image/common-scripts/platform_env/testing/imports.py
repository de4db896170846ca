"""Import tests: each package in its own process, in the environment's Python, activated."""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping

from platform_env.environments import paths
from platform_env.testing.commands import Command, describe_status
from platform_env.testing.results import Result

# Seconds; some packages compile or look around on their first import.
LIMIT = 300.0

_MODULE = re.compile(r"\w+(\.\w+)*")

_EXCEPTION = 1

# A package may end the process while it is imported (SystemExit, os._exit, a crash), even with
# status 0: only a word that nobody knows before says that the import came to its end. What happens
# after it, when the interpreter is torn down, is not tested.
_PROBE = f"""
import os, sys
name, proof = sys.argv[1:]
del sys.argv[2]
try:
    __import__(name)
except BaseException:
    import traceback
    traceback.print_exc()
    sys.stderr.flush()
    os._exit({_EXCEPTION})
os.write(1, proof.encode())
os._exit(0)
"""


def wrong_names(environment: str, packages: Iterable[str]) -> Iterator[Result]:
    """Yields a failure for each entry that cannot be the name of a module."""
    for package in packages:
        if not _MODULE.fullmatch(package):
            message = (
                f"{package!r} is not a module's name: write what follows `import`, "
                "one per line (scikit-learn, for one, is imported as sklearn)"
            )
            yield _result(environment, package, message, 0.0)


def import_jobs(
    environment: str, packages: Iterable[str], variables: Mapping[str, str]
) -> Iterator[Command]:
    """Yields a job for each package; they run in an empty folder, to import nothing from there."""
    for package in packages:
        if not _MODULE.fullmatch(package):
            continue
        proof = secrets.token_hex()

        def describe(message: str, seconds: float, package: str = package) -> Result:
            return _result(environment, package, message, seconds)

        yield Command(
            [paths.python(environment), "-c", _PROBE, package, proof],
            env=variables,
            limit=LIMIT,
            describe=describe,
            proof=proof,
        )


def _result(environment: str, package: str, message: str, seconds: float) -> Result:
    # The exception is on the line before, and says more.
    message = message.removesuffix(f"\n{describe_status(_EXCEPTION)}")
    again = ("test-imports", environment, package)
    return Result(environment, "import", package, message, seconds, again)
