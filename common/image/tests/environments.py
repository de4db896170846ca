"""Code that tests of the environment scripts share: a scratch CONDA_DIR and running scripts."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import conda_scratch

SCRIPTS = Path(os.environ.get("COMMON_SCRIPTS") or "/opt/common-scripts")
CACHE = Path(tempfile.gettempdir(), "environments-test-uv-cache")

if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))


class Scratch(unittest.TestCase):
    """A test with a CONDA_DIR, an environments folder and a common-env of its own."""

    conda_base = False  # True: CONDA_DIR is a conda installation, `self.channels` what it asks

    @classmethod
    def setUpClass(cls) -> None:
        # conda refuses prefixes with a space.
        cls.root = Path(tempfile.mkdtemp(prefix="conda-" if cls.conda_base else "with space "))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        cls.conda_dir = cls.root / "conda"
        cls.specs = cls.root / "environments"
        cls.common = cls.root / "common-env"
        image_build = cls.root / "image-build"
        for folder in (cls.specs, cls.common, image_build):
            folder.mkdir()
        base = "sha256:" + "0" * 64 if cls.conda_base else "local"
        (image_build / "base-digest").write_text(f"{base}\n")
        cls.env = {
            **os.environ,
            "CONDA_DIR": str(cls.conda_dir),
            "ENVIRONMENTS_DIR": str(cls.specs),
            "COMMON_ENV_DIR": str(cls.common),
            "IMAGE_BUILD_DIR": str(image_build),
            "UV_CACHE_DIR": str(CACHE),
        }
        cls.env.pop("USE_FROZEN", None)
        cls.make_conda_dir()

    @classmethod
    def make_conda_dir(cls) -> None:
        if not cls.conda_base:
            venv = ["uv", "venv", "--quiet", "--python", "/usr/bin/python3", cls.conda_dir]
            subprocess.run(venv, check=True)
            return
        cls.channels = conda_scratch.Channels(cls.root / "channels")
        conda_scratch.make_root(cls.conda_dir, cls.channels)
        cls.calls_file = cls.root / "calls.jsonl"
        cls.env |= {
            "CONDA_CHANNEL_ALIAS": cls.channels.alias(),
            "CONDA_PKGS_DIRS": str(conda_scratch.PACKAGES),
            "CONDA_STAND_IN_CALLS": str(cls.calls_file),
        }

    def calls(self) -> list[str]:
        """Returns the command lines that conda got, without the paths in them."""
        calls = [json.loads(line) for line in self.calls_file.read_text().splitlines()]
        return [" ".join(word for word in call if "/" not in word) for call in calls]

    def conda(self, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs conda as a person at a terminal would, with an empty standard input."""
        command = [self.conda_dir / "bin" / "conda", *arguments]
        return subprocess.run(
            command, env=self.env | env, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )

    def cold_cache(self) -> dict[str, str]:
        """Returns the variable of a package cache with nothing in it."""
        return {"CONDA_PKGS_DIRS": tempfile.mkdtemp(dir=self.root)}

    def run_script(self, *arguments: str | Path, status: int = 0, **env: str) -> str:
        """Runs a script; returns its stdout, or its stderr when it should fail."""
        command = [str(SCRIPTS / str(arguments[0])), *(str(part) for part in arguments[1:])]
        result = subprocess.run(
            command,
            env=self.env | env,
            cwd=self.root,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        said = f"{command}\n{result.stdout}\n{result.stderr}"
        self.assertEqual(result.returncode, status, said)
        self.assertNotIn("Traceback", result.stderr, said)
        return result.stderr if status else result.stdout

    def write(self, name: str, text: str) -> Path:
        path = self.specs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def prefix(self, environment: str) -> Path:
        return self.conda_dir / "envs" / environment

    def record(self, environment: str) -> dict:
        return json.loads(
            (self.prefix(environment) / "share" / "environment" / "record.json").read_text()
        )

    def version(self, environment: str, name: str) -> str:
        found = list(
            self.prefix(environment).glob(f"lib/python3.*/site-packages/{name}-*.dist-info")
        )
        self.assertEqual(len(found), 1, f"{name} in {environment}: {found}")
        return found[0].name.removesuffix(".dist-info").rpartition("-")[2]

    def has(self, environment: str, name: str) -> bool:
        return any(self.prefix(environment).glob(f"lib/python3.*/site-packages/{name}-*.dist-info"))
