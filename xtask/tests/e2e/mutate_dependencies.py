"""Changes the image whose container it runs in, as root, one part after the other; prints which
environments' digests each change alters, as JSON."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, "/opt/common-scripts")

from platform_env.testing import dependencies

SITE = Path("/opt/conda/envs/sky/lib/python3.13/site-packages")
MODULE = SITE / "idna/core.py"
TESTS = Path("/opt/environments/sky/tests")


def append(path: Path, text: str = "\n") -> None:
    with path.open("a") as file:
        file.write(text)


def times_and_compiled() -> None:
    os.utime(MODULE, (1, 1))
    folder = MODULE.parent / "__pycache__"
    folder.mkdir(exist_ok=True)
    append(folder / "core.cpython-313.pyc")


# Large, and changed by none of these. Each run of the tests reads them.
dependencies.HIDDEN = (*dependencies.HIDDEN, "usr/lib", "usr/share", "var/lib", "opt/conda/lib")

CHANGES = {
    "site-packages": lambda: append(MODULE),
    "kernel": lambda: append(Path("/opt/conda/share/jupyter/kernels/sky/kernel.json")),
    "test": lambda: append(TESTS / "good.ipynb"),
    "mode": lambda: MODULE.chmod(0o600),
    "owner": lambda: os.chown(MODULE, 1234, 100),
    "link": lambda: (SITE / "link").symlink_to("idna"),
    "script": lambda: append(Path("/opt/common-scripts/test-imports")),
    "Debian package": lambda: append(Path("/usr/bin/env")),
    "times and compiled": times_and_compiled,
}


def main() -> None:
    altered = {}
    before = dependencies.digests(Path("/"))
    for name, change in CHANGES.items():
        change()
        after = dependencies.digests(Path("/"))
        altered[name] = sorted(it for it in before if before[it] != after.get(it))
        before = after
    json.dump(altered, sys.stdout)


main()
