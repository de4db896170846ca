#!/usr/bin/env python3
"""Run docker, whose path is in RECORDED_DOCKER, and append the call to the file RECORD.

A line is a JSON object: arguments, variables that they name, standard input of `docker cp -`, the
container that was made, and the times of start and end.
"""

import base64
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

argv = sys.argv[1:]
given = sys.stdin.buffer.read() if argv[:2] == ["cp", "-"] else None
started = time.monotonic()
stdin = None if given is None else subprocess.PIPE
child = subprocess.Popen([os.environ["RECORDED_DOCKER"], *argv], stdin=stdin)
child.communicate(given)
file = Path(argv[argv.index("--cidfile") + 1]) if "--cidfile" in argv else None
call = {
    "argv": argv,
    "env": {it: os.environ[it] for it in re.findall(r"\benv=(\w+)", " ".join(argv))},
    "stdin": base64.b64encode(given or b"").decode(),
    "container": file.read_text().strip() if file and file.exists() else "",
    "started": started,
    "ended": time.monotonic(),
}
with Path(os.environ["RECORD"]).open("a") as file:
    file.write(json.dumps(call) + "\n")
sys.exit(child.returncode)
