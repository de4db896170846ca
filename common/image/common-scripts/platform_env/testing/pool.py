"""Runs jobs side by side, each with a time limit; no other module handles either."""

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

from platform_env.environments import paths
from platform_env.testing.disk import Watch
from platform_env.testing.results import Result

# Seconds without a result after which people are told what runs.
STILL = 60.0

# Interval between checks of running jobs: far below the time that any of them takes.
PAUSE = 0.02


class Job(Protocol):
    """A piece of work that runs by itself once started; `result` reports its failure."""

    limit: float
    late: str  # what to say when it was killed for exceeding its limit

    def title(self) -> str:
        """Returns the name of its test on a line."""

    def prepare(self) -> None:
        """Does the work that is possible before its turn, such as starting a kernel."""

    def start(self) -> None:
        """Starts it; its time begins."""

    def ended(self) -> bool:
        """Returns whether it has ended."""

    def kill(self) -> None:
        """Ends it and all its children, and removes its files."""

    def result(self, seconds: float, stopped: str) -> Result:
        """Returns its outcome; `stopped` is the reason why it was killed, '' if it was not."""


def cores() -> int:
    """Returns how many jobs this process may run at a time."""
    return len(os.sched_getaffinity(0))


def run_all(jobs: Iterable[Job], width: int, watch: Watch) -> Iterator[Result]:
    """Runs all jobs, `width` at a time, and yields each result as soon as it is known.

    As many more are prepared meanwhile: starting kernels is more waiting than work. When the disk
    is full, the running ones are stopped.
    """
    waiting = deque(jobs)
    ready: deque[Job] = deque()
    running: dict[Job, float] = {}
    heard = time.monotonic()
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
            for result in _ended(running, watch.message()):
                heard = time.monotonic()
                yield result
            if running and time.monotonic() - heard >= STILL:
                heard = time.monotonic()
                paths.show("still running: " + ", ".join(job.title() for job in running))
            time.sleep(PAUSE)
    finally:
        for job in (*ready, *running):
            job.kill()


def _ended(running: dict[Job, float], full: str) -> Iterator[Result]:
    """Removes the jobs that have ended, or must, from the running ones, and yields them."""
    for job, started in list(running.items()):
        ended = job.ended()
        seconds = time.monotonic() - started
        late = job.late if seconds > job.limit else ""
        if ended or late or full:
            job.kill()
            del running[job]
            yield job.result(seconds, stopped="" if ended else full or late)
