"""Tests of every image as a whole, listed in image_tests.json, which the host reads too."""

import json
from pathlib import Path

_LISTS = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))

# Kind and name, by the container that runs them.
PREPARE: list[tuple[str, str]] = [(kind, name) for kind, name in _LISTS["prepare"]]
HUB: list[tuple[str, str]] = [(kind, name) for kind, name in _LISTS["hub"]]

# Jupyter's name for the kernel of its own Python.
BASE_KERNEL: str = _LISTS["base_kernel"]

KINDS = ("kernel", *sorted({kind for kind, _ in [*PREPARE, *HUB]}))
