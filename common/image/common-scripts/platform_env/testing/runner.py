"""Runs tests for a script, whose exit status is their outcome."""

import signal
from collections.abc import Callable

from platform_env.environments import paths
from platform_env.testing.plan import Plan
from platform_env.testing.results import Report


def reported(run: Callable[[Report], None], plan: Plan) -> int:
    """Runs tests and returns the exit status; an interruption keeps earlier results."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report = Report()
    try:
        run(report)
    except KeyboardInterrupt:
        report.interrupted()
    if not report.results and plan.is_selection() and not plan.from_outside:
        paths.die("no test matches that selection", paths.WRONG)
    return report.finish()
