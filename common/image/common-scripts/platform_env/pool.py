"""Runs jobs side by side, each with a time limit; the one place that knows about either."""

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

from platform_env.results import Result

# How often running jobs are looked at: far below the time that any of them takes.
PAUSE = 0.02


class Job(Protocol):
    """Something that runs by itself once it was started."""

    limit: float

    def start(self) -> None:
        """Start it; what goes wrong here is told by `result`."""

    def ended(self) -> bool:
        """Whether it is over."""

    def kill(self) -> None:
        """End it and everything that it started."""

    def result(self, seconds: float, late: bool) -> Result:
        """What came of it; `late` says that it was killed for exceeding its limit."""


def cores() -> int:
    """How many jobs this process may run at a time."""
    return len(os.sched_getaffinity(0))


def run_all(jobs: Iterable[Job], width: int) -> Iterator[Result]:
    """Run all jobs, `width` at a time, and give each result as soon as it is there."""
    waiting = deque(jobs)
    running: dict[Job, float] = {}
    try:
        while waiting or running:
            while waiting and len(running) < width:
                job = waiting.popleft()
                running[job] = time.monotonic()
                job.start()
                running[job] = time.monotonic()
            yield from _ended(running)
            time.sleep(PAUSE)
    finally:
        for job in running:
            job.kill()


def _ended(running: dict[Job, float]) -> Iterator[Result]:
    """Take the jobs that are over, or too late, out of those that run."""
    for job, started in list(running.items()):
        ended = job.ended()
        seconds = time.monotonic() - started
        if ended or seconds > job.limit:
            job.kill()
            del running[job]
            yield job.result(seconds, late=not ended)
