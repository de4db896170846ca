"""pip requirements in environments that hold conda's packages."""

import subprocess
from pathlib import Path

from crafted import Crafted, CraftedScratch
from environments import SCRIPTS

HASH = "0" * 64


class ResolverTest(CraftedScratch):
    """The resolver takes what conda installed as it is."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.index.add_wheel("needy", "1.0", requires=["opencv-python>=4", "helper"])
        cls.index.add_wheel("helper", "1.0")
        cls.index.add_wheel("more", "1.0")
        cls.index.add_wheel("linked", "1.0", requires=["idna @ git+https://example.invalid/i@a"])
        cls.index.add_wheel("idna", "3.6")

    def update(self, environment: str, *lines: str, status: int = 0) -> str:
        name = f"{environment}-more.pip"
        text = "".join(f"{line}\n" for line in ("# c", *lines))
        return self.run_script("env-update", environment, self.write(name, text), status=status)

    def test_an_index_with_credentials_leaves_nothing_in_the_home(self) -> None:
        """uv takes a lock on its store of credentials, which is in the home by default."""
        home = self.root / "home"
        home.mkdir()
        self.make("private")
        name = self.write("private-more.pip", "more\n")
        index = self.index.variables["UV_DEFAULT_INDEX"].replace("://", "://user:secret@")
        self.run_script("env-update", "private", name, HOME=str(home), UV_DEFAULT_INDEX=index)
        self.assertEqual(list(home.rglob("*")), [])

    def opencv(self, environment: str) -> Crafted:
        made = self.make(environment)
        first = made.info("opencv_python", "4.10.0.84", ["numpy>=99"])
        second = made.info("opencv_python_headless", "4.10.0.84")
        made.conda("py-opencv-4.10.0-py313h1_0", first, second)
        return made

    def test_conda_package_that_the_index_lacks(self) -> None:
        """py-opencv satisfies opencv-python, and no index is asked for it."""
        self.opencv("cv")
        self.update("cv", "needy", "opencv-python-headless")
        self.assertTrue(self.has("cv", "needy"))
        self.assertTrue(self.asked_for("needy"))
        self.assertFalse(self.asked_for("opencv"), self.index.requests)
        self.assertFalse(self.asked_for("numpy"), self.index.requests)
        self.assertEqual(sorted(self.record("cv")["packages"]), ["helper", "needy"])

    def test_names_that_no_line_can_ask_for(self) -> None:
        made = self.make("named")
        for folder in ("an odd (name)", "other"):
            info = made.info(folder, "1.0")
            (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd (a)\nVersion: 1.0\n")
            made.conda(f"{folder[:2]}-1.0-h0", info)
        self.update("named", "helper")

    def test_via_names_the_conda_package(self) -> None:
        made = self.make("via")
        made.conda("py-opencv-4.10.0-h1_0", made.info("opencv_python", "4.10.0", ["helper"]))
        self.update("via", "needy")
        via = self.record("via")["packages"]["helper"]["via"]
        self.assertEqual(via, ["needy", "py-opencv"])

    def test_extras_of_conda_packages(self) -> None:
        """An extra brings what it requires here, through other extras too, and nothing else."""
        made = self.make("extras")
        dask = made.info(
            "dask",
            "2026.1",
            [
                "absent>=1",
                "more; extra == 'one'",
                "absent; extra == 'one' and python_version < '3'",
                "absent===2004d; extra == 'one'",
                "dask[one]; extra == 'all'",
                "(unreadable; extra == 'all'",
            ],
        )
        made.conda("dask-2026.1-h0", dask)
        self.update("extras", "dask[all]")
        self.assertEqual(sorted(self.record("extras")["packages"]), ["more"])
        self.assertFalse(self.asked_for("dask"))
        self.assertFalse(self.asked_for("absent"))

    def test_versions_of_conda_packages(self) -> None:
        made = self.make("versions")
        for package, info in (
            ("early-2.0rc1-h0", made.info("early", "2.0rc1")),
            ("localised-2.1.0-h0", made.info("localised", "2.1.0+cu118")),
            ("epochal-1-h0", made.info("epochal", "1!2.0")),
            ("dated-2004.4-h0", made.info("dated", "2004d")),
            ("odd-3.x-h0", made.info("odd", "unknown")),
            ("old.egg-1.5-h0", made.egg_info("Old.Egg", "1.5", "absent\n[one]\nmore\n")),
            ("older-0.9-h0", made.egg_info_file("older", "0.9")),
            ("digits-1.0-h0", made.info("digits_3d", "1.0")),
        ):
            made.conda(package, info)
        names = ["early>=1", "localised==2.1.0", "epochal>=1!1", "dated>=2004", "odd==3"]
        names += ["old-egg[one]<2", "older==0.9", "digits-3d"]
        self.update("versions", *names)
        self.assertEqual(sorted(self.record("versions")["packages"]), ["more"])
        for name in ("early", "localised", "epochal", "dated", "odd", "old", "digits", "absent"):
            self.assertFalse(self.asked_for(name), self.index.requests)

    def test_conflicts_name_line_and_conda_package(self) -> None:
        made = self.make("conflicts")
        made.conda("idna-3.4-h0_0", made.info("idna", "3.4"))
        for line in ("idna>=3.6", "linked"):
            with self.subTest(line):
                said = self.update("conflicts", line, status=1)
                self.assertIn(f"conflicts-more.pip:2: {line}\n" if line != "linked" else "", said)
                self.assertIn("conda package idna-3.4-h0_0: idna==3.4\n", said)
                self.assertNotIn("file:", said)
                self.assertNotIn("by-conda", said)
        self.assertFalse(self.asked_for("idna"), self.index.requests)

    def test_certain_files_of_conda_packages(self) -> None:
        """A hash or a git URL asks for another artefact than the one that is there."""
        made = self.make("files")
        made.conda("idna-3.4-h0_0", made.info("idna", "3.4"))
        git = "idna @ git+https://example.invalid/i@a"
        hashed = f"idna==3.4 --hash=sha256:{HASH}"
        said = self.update("files", git, hashed, "idna==9; python_version < '3'", status=1)
        for line in (f"files-more.pip:2: {git}", f"files-more.pip:3: {hashed}"):
            self.assertIn(f"{line}\n  conda package idna-3.4-h0_0: idna==3.4\n", said)
        self.assertNotIn(":4:", said)

    def test_conda_over_pip_names_the_lines(self) -> None:
        made = self.make("over")
        self.update("over", "helper", "more")
        record = self.prefix("over") / "share" / "environment" / "record.json"
        line = '{"file": "/s/late.conda", "number": 3, "text": "%s"}'
        for text in ("helper", "user >1"):
            spec = '{"file": "/s/late.conda", "sha256": "", "channels": [], "pip": [], '
            spec += f'"constraints": [], "conda": [{line % text}]}}'
            kept = record.read_text()
            record.write_text(kept.replace('"specs": [', f'"specs": [{spec}, '))
            made.conda("helper-2.0-h0", made.info("helper", "2.0"))
            made.conda("user-1.0-h0", depends=["python", "helper >=1"])
            said = self.update("over", "more", status=1)
            self.assertIn("conda installed helper-2.0-h0 over the pip package helper 1.0", said)
            self.assertIn(f"/s/late.conda:3: {text}\n", said)
            record.write_text(kept)
            (made.site / "helper-2.0.dist-info" / "METADATA").unlink()
            (made.site / "helper-2.0.dist-info" / "RECORD").unlink()
            (made.site / "helper-2.0.dist-info").rmdir()


class ConsistencyTest(CraftedScratch):
    """What conda's packages say of each other is a note; what pip takes part in is a failure."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.index.add_wheel("plain", "1.0")

    def make(self, environment: str) -> Crafted:
        made = super().make(environment)
        pyqt = made.info("PyQt5", "5.15", ["PyQt5_sip<13,>=12", "qt-binaries", "strange (>dev)"])
        made.conda("pyqt-5.15-h0", pyqt)
        made.conda("sip-13.0-h0", made.info("PyQt5_sip", "13.0"))
        self.write(f"{environment}/tests/imports", "json\n")
        return made

    def update(self, environment: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        path = self.write(f"{environment}.pip", "plain\n")
        command = [str(SCRIPTS / "env-update"), environment, str(path)]
        result = subprocess.run(command, env=self.env, capture_output=True, text=True)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        return result.stderr

    def test_what_conda_packages_say_of_each_other(self) -> None:
        self.make("fine")
        said = self.update("fine")
        for note in (
            "note: pyqt5 5.15 (conda package pyqt-5.15-h0) requires pyqt5-sip<13,>=12, "
            "found pyqt5-sip 13.0 (conda package sip-13.0-h0)\n",
            "note: pyqt5 5.15 (conda package pyqt-5.15-h0) requires qt-binaries, "
            "which is not installed\n",
            "note: pyqt5 5.15 (conda package pyqt-5.15-h0) has an unreadable requirement "
            "`strange (>dev)`\n",
        ):
            self.assertIn(note, said)
        said = self.env_test("fine")
        self.assertIn("passed  fine: consistency pip check", said)
        self.assertNotIn("qt-binaries", said)

    def check_refused(self, environment: str, complaint: str) -> None:
        said = self.update(environment, status=1)
        self.assertIn(f"{environment} is inconsistent:\n{complaint}\n", said)
        self.assertIn(f"    {complaint}\n    ended with status 1\n", self.env_test(environment))

    def env_test(self, environment: str) -> str:
        """Returns the output of image-test's consistency test."""
        command = [str(SCRIPTS / "env-test"), environment, "--only", "pip check"]
        return subprocess.run(command, env=self.env, capture_output=True, text=True).stdout

    def test_what_a_pip_package_takes_part_in(self) -> None:
        made = self.make("lacking")
        made.info("needy", "1.0", ["qt-binaries; python_version >= '3'", "a; extra == 'b'"])
        self.check_refused("lacking", "needy 1.0 requires qt-binaries, which is not installed")
        made = self.make("older")
        made.info("needy", "1.0", ["PyQt5-sip<13"])
        found = "found pyqt5-sip 13.0 (conda package sip-13.0-h0)"
        self.check_refused("older", f"needy 1.0 requires pyqt5-sip<13, {found}")
        made = self.make("younger")
        made.info("qt_binaries", "1.0rc1")
        made.conda("qtpy-1-h0", made.info("QtPy", "1", ["qt_binaries>=1"]))
        complaint = "qtpy 1 (conda package qtpy-1-h0) requires qt-binaries>=1, found qt-binaries"
        self.check_refused("younger", f"{complaint} 1.0rc1")

    def test_twins_and_remains(self) -> None:
        made = self.make("twins")
        made.conda("twin-1.0-h0", made.info("twin", "1.0"), made.info("twin", "1.1"))
        (made.site / "remains-1.0.dist-info").mkdir()
        (made.site / "remains-1.0.dist-info" / "RECORD").touch()
        said = self.update("twins")
        self.assertRegex(said, r"note: twin is installed twice: twin 1\.0 \(.* and twin 1\.1 \(")
        made.info("twin", "1.2")
        self.check_refused(
            "twins",
            "twin is installed twice: twin 1.2 and twin 1.0 (conda package twin-1.0-h0) "
            "and twin 1.1 (conda package twin-1.0-h0)",
        )

    def test_what_an_interrupted_pip_left_is_no_twin(self) -> None:
        made = self.make("left")
        made.conda("plain-1.0-h0", made.info("plain", "1.0"))
        made.info("plain", "0.9").rename(made.site / "~lain-0.9.dist-info")
        self.update("left")

    def test_markers_that_cannot_be_compared(self) -> None:
        made = self.make("marked")
        needs = 'absent; platform_release ~= "5.x"'
        made.conda("marked-1.0-h0", made.info("marked", "1.0", [needs]))
        said = self.update("marked")
        self.assertIn(f"has an unreadable requirement `{needs}`", said)

    def test_metadata_that_was_removed(self) -> None:
        """What conda's record lists and the folder lacks stays conda's."""
        made = self.make("removed")
        info = made.info("plain", "0.9")
        made.conda("plain-0.9-h0", info)
        for file in info.iterdir():
            file.unlink()
        info.rmdir()
        self.update("removed")
        self.assertEqual(self.record("removed")["packages"], {})

    def test_unreadable_record_of_conda(self) -> None:
        made = self.make("broken")
        (made.prefix / "conda-meta" / "x-1-0.json").write_text("{")
        self.assertIn(
            "conda-meta/x-1-0.json:1: not a conda package record", self.update("broken", status=1)
        )


class BaseListTest(CraftedScratch):
    """Lists for the base: conda's own packages in them are skipped, or all named at once."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.hashes = {}
        for name, version in (("papermill", "2.6"), ("idna", "3.4"), ("idna", "3.6")):
            requires = ["idna"] if name == "papermill" else []
            file = cls.index.add_wheel(name, version, requires=requires)
            cls.hashes[f"{name}=={version}"] = cls.hash_of(file)
        made = Crafted(cls.conda_dir)
        made.conda("idna-3.4-h0_0", made.info("idna", "3.4"))
        made.conda("py-six-1.16.0-h1_0", made.info("six", "1.16.0"))

    @staticmethod
    def hash_of(file: Path) -> str:
        command = ["sha256sum", str(file)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]

    def line(self, pin: str) -> str:
        return f"{pin} --hash=sha256:{self.hashes.get(pin, HASH)}\n"

    def test_lines_that_conda_satisfies_are_skipped(self) -> None:
        text = self.line("idna==3.4.0") + self.line("papermill==2.6") + self.line("six==1.16")
        text += self.line("idna==3.6 ; python_version < '3'")
        self.run_script("env-update", "base", self.write("b.pip", text), USE_FROZEN="1")
        site = next(self.conda_dir.glob("lib/python3.*/site-packages"))
        self.assertTrue((site / "papermill-2.6.dist-info").is_dir())
        self.assertTrue((site / "idna-3.4.dist-info").is_dir())
        self.assertFalse(self.asked_for("idna"), self.index.requests)

    def test_all_other_lines_are_named_at_once(self) -> None:
        text = self.line("papermill==2.6") + self.line("idna==3.6") + self.line("six==1.17.0")
        said = self.run_script("env-update", "base", self.write("c.pip", text), status=2)
        for line in (
            "c.pip:2: `idna==3.6` would overwrite idna 3.4 of conda package idna-3.4-h0_0\n",
            "c.pip:3: `six==1.17.0` would overwrite six 1.16.0 of conda package "
            "py-six-1.16.0-h1_0\n",
        ):
            self.assertIn(line, said)
        self.assertNotIn("c.pip:1:", said)
