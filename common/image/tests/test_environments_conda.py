"""The environment scripts on a conda base, against a strict stand-in for conda."""

import json
import re
from pathlib import Path

from environments import Scratch
from platform_env import conda, paths


class CondaTest(Scratch):
    conda_base = True

    def calls(self) -> list[str]:
        log = self.conda_dir / "calls.jsonl"
        calls = [json.loads(line) for line in log.read_text().splitlines()]
        return [" ".join(word for word in call if "/" not in word) for call in calls]

    def test_create_update_export_and_frozen(self) -> None:
        spec = self.write(
            "e/e.yml",
            "name: e\nchannels:\n  - conda-forge\n"
            "dependencies:\n  - python=3.13\n  - idna<3.6\n  - pip:\n    - humanize<4.11\n",
        )
        self.run_script("env-create", "e", spec)
        self.assertEqual(self.version("e", "idna"), "3.4")
        self.write("e/more.conda", "# c\nlibtool-ours  # why\n")
        self.write("e/more.pip", "docopt\nidna\n")
        self.run_script("env-update", "e", "more.conda", "more.pip")
        self.assertEqual(
            [call for call in self.calls() if " e" in call and not call.startswith("config")],
            [
                "env create -y -n e --no-default-packages -f",
                "install -y -n e -c conda-forge --file",
            ],
        )
        text = self.run_script("env-export", "e")
        self.assertRegex(
            text,
            r"\n  - idna=3\.4=h0_0\[subdir=linux-64,fn=idna-3\.4-h0_0\.conda,sha256=\w{64}\]"
            r"  # via e\.yml\n"
            r"  - libtool-ours=1\.0=",
        )
        self.assertIn("channels:\n  - conda-forge\n", text)
        self.assertNotIn("- idna==", text)
        self.assertRegex(text, r"  - pip:\n    - docopt==0\.6\.2 --hash=\S+  # via more.pip\n")
        self.check_frozen(text)
        self.check_conflicts()
        self.check_clone(text)

    def check_frozen(self, text: str) -> None:
        self.write("f/f-frozen.yml", text.replace("name: e", "name: f"))
        self.run_script("env-create", "f", USE_FROZEN="1")
        self.assertEqual(self.calls()[-1], "create -y -n f --no-default-packages --file")
        again = self.run_script("env-export", "f")
        self.assertEqual(again.replace("name: f", "name: e"), text)
        self.check_altered(text)

    def check_altered(self, text: str) -> None:
        """What was altered by hand is named; conda itself looks at the URL and the hash alone."""
        for old, new, status, says in (
            (
                "idna=3.4=h0_0(.*)fn=idna-3.4-h0_0",
                r"idna=3.6=h0_0\1fn=idna-3.6-h0_0",
                1,
                "Checksum",
            ),
            (
                "idna=3.4=h0_0(.*)fn=idna-3.4-h0_0",
                r"idna=3.9=h1_0\1fn=idna-3.9-h1_0",
                1,
                "HTTP 404",
            ),
            (r"(idna=.*sha256=)\w{4}", r"\g<1>0000", 1, r"ChecksumMismatchError: .*/idna-3\.4"),
            ("fn=idna-3.4-h0_0", "fn=idna-3.9-h1_0", 2, "idna=3.4=h0_0` is not the file idna-3.9"),
            ("idna=3.4=", "idna=3.6=", 2, "idna=3.6=h0_0` is not the file idna-3.4-h0_0"),
            ("idna=3.4=h0_0", "idna=3.4=h0_1", 2, "idna=3.4=h0_1` is not the file idna-3.4-h0_0"),
        ):
            with self.subTest(new):
                altered = re.sub(old, new, text)
                self.assertNotEqual(altered, text)
                self.write("g/g-frozen.yml", altered.replace("name: e", "name: g"))
                said = self.run_script("env-create", "g", status=status, USE_FROZEN="1")
                self.assertRegex(said, says)
                self.assertNotIn("user:word", said)
                self.assertFalse(self.prefix("g").exists())

    def check_conflicts(self) -> None:
        said = self.run_script("env-update", "e", self.write("c.pip", "\nidna>=3.6\n"), status=1)
        self.assertIn("c.pip:2: idna>=3.6", said)
        self.assertIn("conda package idna-3.4-h0_0", said)
        self.assertEqual(self.version("e", "idna"), "3.4")
        # an earlier conda line is part of every later solve
        said = self.run_script("env-update", "e", self.write("c.conda", "idna>=3.6\n"), status=1)
        self.assertIn("LibMambaUnsatisfiableError", said)
        said = self.run_script("env-update", "e", self.write("d.conda", "no-such\n"), status=1)
        self.assertIn("PackagesNotFoundInChannelsError", said)

    def check_clone(self, text: str) -> None:
        self.run_script("env-clone", "e", "copy")
        copied = self.run_script("env-export", "copy")
        self.assertEqual(copied.replace("name: copy", "name: e"), text)

    def test_default_python_and_conda_over_pip(self) -> None:
        self.run_script("env-create", "d")
        self.assertEqual(self.calls()[-1], "env create -y -n d --no-default-packages -f")
        self.run_script("env-update", "d", self.write("d.pip", "six\n"))
        said = self.run_script("env-update", "d", self.write("d.conda", "six\n"), status=1)
        self.assertIn("conda installed six-1.16.0-h0_0 over the pip package six", said)

    def test_existing_environment_is_not_wiped(self) -> None:
        self.prefix("husk").mkdir(parents=True)
        (self.prefix("husk") / "mine").write_text("kept")
        spec = self.write("h.yml", "dependencies:\n  - python\n")
        self.run_script("env-create", "husk", spec, status=2)
        self.assertTrue((self.prefix("husk") / "mine").exists())

    def test_failures(self) -> None:
        spec = self.write("x.yml", "dependencies:\n  - python\n  - no-such\n")
        said = self.run_script("env-create", "x", spec, status=1)
        self.assertIn("PackagesNotFoundInChannelsError", said)
        self.assertIn("https://mirror.invalid/conda/conda-forge", said)
        self.assertNotIn("user:word", said)
        self.assertFalse(self.prefix("x").exists())
        frozen = (
            "# frozen: 1\n# platform: linux/amd64\n# base: b\nname: x\nchannels:\n  - c\n"
            "dependencies:\n  - python=3.13.5\n"
        )
        self.write("x/x-frozen.yml", frozen)
        said = self.run_script("env-create", "x", status=2, USE_FROZEN="1")
        self.assertIn("frozen on the embedded base", said)

    def test_channel_names(self) -> None:
        """The settings' channels keep their names: a mirror or credentials are no part of them."""
        self.addCleanup(setattr, paths, "CONDA_DIR", paths.CONDA_DIR)
        paths.CONDA_DIR = Path(self.conda_dir)
        places = conda.Places()
        for url, name in (
            ("https://mirror.invalid/conda/conda-forge", "conda-forge"),
            ("https://user:word@mirror.invalid/conda/t/token/bioconda", "bioconda"),
            ("https://conda.anaconda.org/conda-forge", "conda-forge"),
            ("https://ours.invalid/ours", "ours"),
            ("https://ours.invalid/theirs", "https://ours.invalid/theirs"),
            ("https://user:word@else.invalid/x", "https://else.invalid/x"),
        ):
            self.assertEqual(places.name(url), name)
        self.assertEqual(places.url("ours"), "https://ours.invalid/ours")
        self.assertEqual(places.url("https://else.invalid/x/"), "https://else.invalid/x")
        alias = "https://user:word@mirror.invalid/conda/t/token"
        self.assertEqual(places.url("conda-forge"), f"{alias}/conda-forge")
