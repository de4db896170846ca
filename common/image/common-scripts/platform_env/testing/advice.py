"""Advice for failures caused by the test container: offline, on a read-only image."""

import dataclasses
import re
from collections.abc import Iterator

from platform_env.testing.plan import Plan
from platform_env.testing.results import Result

# What libc, Python, requests, curl and git say of names that nobody resolves and networks that are
# not there.
_NETWORK = re.compile(
    r"name resolution|Name or service not known|nodename nor servname|Could not resolve host"
    r"|getaddrinfo|gaierror|NameResolutionError|Network is unreachable|ENETUNREACH"
    r"|Unknown host|No address associated with hostname",
    re.IGNORECASE,
)
_READ_ONLY = re.compile(r"Permission denied|Read-only file system", re.IGNORECASE)


def advised(result: Result, plan: Plan) -> Result:
    """Returns the result, with advice at the end of its message."""
    return dataclasses.replace(result, message="\n".join([result.message, *_advice(result, plan)]))


def _advice(result: Result, plan: Plan) -> Iterator[str]:
    if not plan.from_outside:
        return
    if plan.network == "none" and _NETWORK.search(result.message):
        yield "tests have no network here; TEST_NETWORK=egress gives them one"
    if _READ_ONLY.search(result.message):
        yield "files of the image are read-only for tests; new ones go beside notebooks"
