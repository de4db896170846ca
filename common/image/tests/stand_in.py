"""A small installation to test the scripts on: a base, environments, and the folders of a mission.

The environments are real, and run real kernels with the packages of the image's own base, so that
the tests need no network.
"""

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

SCRIPTS = Path("/opt/common-scripts")


class Installation:
    """Temporary CONDA_DIR, environments folder, home and results."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.conda = self.root / "conda"
        self.specs = self.root / "environments"
        self.home = self.root / "home"
        self.results = self.root / "results"
        self.specs.mkdir()
        self.home.mkdir()
        _make_python(self.conda)

    def remove(self) -> None:
        shutil.rmtree(self.root)

    def add(self, environment: str, files: dict[str, str] | None = None) -> Path:
        """Makes an environment, and files in its folder; returns the folder."""
        _make_python(self.conda / "envs" / environment)
        return self.add_files(environment, files or {})

    def add_files(self, environment: str, files: dict[str, str]) -> Path:
        folder = self.specs / environment
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return folder

    def add_module(self, environment: str, name: str, source: str) -> None:
        """Puts a module where the environment's Python imports it."""
        (_site_packages(self.conda / "envs" / environment) / f"{name}.py").write_text(source)

    def variables(self, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "CONDA_DIR": str(self.conda),
            "ENVIRONMENTS_DIR": str(self.specs),
            "HOME": str(self.home),
            "JUPYTER_DATA_DIR": str(self.home / ".local/share/jupyter"),
            "TEST_RESULTS": str(self.results),
            **more,
        }

    def start(self, script: str, *arguments: str | Path, **variables: str) -> subprocess.Popen:
        return subprocess.Popen(
            [SCRIPTS / script, *arguments],
            env=self.variables(**variables),
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, *arguments: str | Path, **variables: str) -> "Done":
        """Runs a script; the results are those of this run."""
        shutil.rmtree(self.results, ignore_errors=True)
        process = self.start(script, *arguments, **variables)
        stdout, stderr = process.communicate()
        return Done(process.returncode, stdout, stderr, self.recorded())

    def test(self, **parts: object) -> "Done":
        """Runs a mission's tests like `image-test`, by a plan with these parts, as this user."""
        plan = self.root / "plan.json"
        plan.write_text(json.dumps({"tests": [], "times": {}, **parts}))
        return self.run("tester", "--plan", plan, "--results", self.results, "mission")

    def recorded(self) -> list[dict]:
        """Returns the content of results.jsonl."""
        path = self.results / "results.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def kernel(self, name: str) -> dict:
        path = self.conda / "share/jupyter/kernels" / name / "kernel.json"
        return json.loads(path.read_text())

    def executed(self, environment: str, name: str) -> dict:
        """Returns a notebook among the results."""
        return json.loads((self.results / "notebooks" / environment / name).read_text())


class Done:
    """A script that ended."""

    def __init__(self, status: int, stdout: str, stderr: str, recorded: list[dict]) -> None:
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        self.recorded = recorded

    def names(self, outcome: str) -> list[str]:
        """Returns the tests with that outcome, as `kind name`, sorted."""
        return sorted(
            f"{result['kind']} {result['name']}"
            for result in self.recorded
            if result["outcome"] == outcome
        )

    def message(self, name: str) -> str:
        return next(result["message"] for result in self.recorded if result["name"] == name)


def notebook(*cells: str, **metadata: object) -> str:
    """Returns the text of a notebook with these cells."""
    made = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{number}",
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(cells)
    ]
    return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def _make_python(prefix: Path) -> None:
    """Makes a virtual environment that also imports the packages of the image's base."""
    subprocess.run(
        ["uv", "--quiet", "--offline", "--no-cache", "venv", "--python", _system_python(), prefix],
        check=True,
    )
    base = sysconfig.get_path("purelib")
    (_site_packages(prefix) / "base.pth").write_text(f"{base}\n")


def _system_python() -> Path:
    return Path("/opt/conda/bin/python").resolve()


def _site_packages(prefix: Path) -> Path:
    return next(prefix.glob("lib/python3*/site-packages"))
