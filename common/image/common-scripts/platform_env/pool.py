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
    """Something that runs by itself once it was started; what goes wrong is told by `result`."""

    limit: float

    def prepare(self) -> None:
        """Let it do what it can before its turn, such as start a kernel."""

    def start(self) -> None:
        """Start it; its time begins."""

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
    """Run all jobs, `width` at a time, and give each result as soon as it is there.

    As many more are prepared meanwhile: starting kernels is more waiting than work.
    """
    waiting = deque(jobs)
    ready: deque[Job] = deque()
    running: dict[Job, float] = {}
    try:
        while waiting or ready or running:
            while ready and len(running) < width:
                job = ready[0]
                running[job] = time.monotonic()
                ready.popleft()
                job.start()
                running[job] = time.monotonic()
            if waiting and len(ready) < width:
                ready.append(waiting.popleft())
                ready[-1].prepare()
                continue
            yield from _ended(running)
            time.sleep(PAUSE)
    finally:
        for job in (*ready, *running):
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
