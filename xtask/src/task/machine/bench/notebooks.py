"""Time eight notebooks in the image: by test-notebooks, and by papermill called once for each.

Prints a JSON object: for short notebooks and for long ones the seconds of both.
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path

ENVIRONMENT = "hello"

# Seconds of processor time that each notebook takes.
NOTEBOOKS = {"short": [0] * 8, "long": [5, 7, 9, 11, 13, 15, 17, 20]}

CELL = """
import time
while time.process_time() < {seconds}:
    pass
"""


def notebook(seconds: int) -> str:
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "cell",
        "metadata": {},
        "outputs": [],
        "source": CELL.format(seconds=seconds),
    }
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def timed(commands: list[list[str]]) -> float:
    started = time.monotonic()
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    return time.monotonic() - started


def measure(times: list[int]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{number}.ipynb") for number in range(len(times))]
        for file, seconds in zip(files, times, strict=True):
            file.write_text(notebook(seconds))
        ours = ["/opt/common-scripts/test-notebooks", ENVIRONMENT, *map(str, files)]
        papermill = [
            ["papermill", "--kernel", ENVIRONMENT, str(file), f"{file}.out"] for file in files
        ]
        return {"ours": timed([ours]), "papermill": timed(papermill)}


print(json.dumps({name: measure(times) for name, times in NOTEBOOKS.items()}))
