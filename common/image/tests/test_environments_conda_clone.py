"""Environments cloned on a conda base: the source's artefacts, and nothing else of its files."""

import json
import re
import subprocess

from environments import Scratch


class CloneTest(Scratch):
    conda_base = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        (cls.conda_dir / "etc" / "stray.txt").write_text("nobody's\n")
        python = cls.conda_dir / "bin" / "python"
        packages = ["humanize==4.10.0"]
        command = ["uv", "pip", "install", "--quiet", "--no-deps", "--python", python, *packages]
        subprocess.run(command, env=cls.env, check=True)
        test = cls()
        cls.cold = test.cold_cache()
        before = len(cls.calls_file.read_text().splitlines()) if cls.calls_file.exists() else 0
        test.run_script("env-clone", "base", "c", **cls.cold)
        cls.clone_calls = test.calls()[before:]
        cls.text = test.run_script("env-export", "c")

    def test_defect_4_neither_conda_nor_stray_files(self) -> None:
        prefix = self.prefix("c")
        for name in ("bin/conda", "condabin", "etc/stray.txt", "conda-meta/pinned"):
            self.assertTrue((self.conda_dir / name).exists(), name)
            self.assertFalse((prefix / name).exists(), name)
        self.assertNotRegex(self.text, r"- conda=")
        self.assertRegex(self.text, r"- pip=26\.3=.*  # via ")

    def test_defect_4_exactly_the_packages_of_the_source_and_no_solve(self) -> None:
        names = {path.name for path in (self.conda_dir / "conda-meta").glob("*.json")}
        kept = {path.name for path in (self.prefix("c") / "conda-meta").glob("*.json")}
        self.assertEqual({re.split(r"-\d", name)[0] for name in names - kept}, {"conda"})
        self.assertLessEqual(kept, names)
        changing = [call for call in self.clone_calls if not call.startswith("config")]
        self.assertEqual(changing, ["create -y -n c --no-default-packages --file"])

    def test_defect_5_a_cold_cache_uses_the_credentials_of_the_settings(self) -> None:
        downloads = [it for it in self.channels.requests if it["path"].endswith(".conda")]
        self.assertGreater(len(downloads), 3)
        self.assertEqual({it["status"] for it in downloads}, {200})
        for path in (self.prefix("c") / "conda-meta").iterdir():
            self.assertNotIn("user:word", path.read_text(), path.name)

    def test_pip_packages_are_pinned_by_hash(self) -> None:
        self.assertRegex(self.text, r"- humanize==4\.10\.0 --hash=sha256:\w{64}  # via base\n")
        self.assertEqual(self.version("c", "humanize"), "4.10.0")

    def test_what_only_the_clone_brought_is_via_its_source(self) -> None:
        self.assertRegex(self.text, r"- py-rattler=.*  # via base\n")
        self.assertRegex(self.text, r"- tzdata=.*  # via python\n")

    def test_frozen_build_equals_the_clone(self) -> None:
        self.write("f/f-frozen.yml", self.text.replace("name: c", "name: f"))
        self.run_script("env-clone", "base", "f", USE_FROZEN="1")
        again = self.run_script("env-export", "f")
        self.assertEqual(again.replace("name: f", "name: c"), self.text)

    def test_a_clone_takes_updates(self) -> None:
        self.run_script("env-clone", "c", "u")
        self.run_script("env-update", "u", self.write("u.conda", "libecho\n"))
        text = self.run_script("env-export", "u")
        self.assertRegex(text, r"- libecho=1\.0=.*  # via u\.conda\n")
        self.assertRegex(text, r"- py-rattler=.*  # via c\n")

    def test_a_source_that_cannot_be_pinned_is_refused_first(self) -> None:
        self.run_script("env-clone", "c", "s")
        for name in ("tzdata", "pip"):
            path = next((self.prefix("s") / "conda-meta").glob(f"{name}-*.json"))
            record = json.loads(path.read_text())
            del record["sha256"]
            path.write_text(json.dumps(record))
        said = self.run_script("env-clone", "s", "t", status=1)
        self.assertRegex(said, r"pip 26\.3: conda recorded no sha256\n  tzdata 2026a: conda rec")
        self.assertFalse(self.prefix("t").exists())
