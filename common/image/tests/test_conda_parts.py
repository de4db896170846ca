"""What is computed for a conda base before and after conda runs, without any conda."""

import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

import environments  # noqa: F401 - puts the scripts' package on the path
from platform_env.environments import (
    clone,
    conda,
    conda_errors,
    conda_meta,
    origins,
    paths,
    record,
    specs,
    thaw,
)
from platform_env.environments.frozen import CondaPin, Frozen, Pin
from platform_env.environments.paths import Failed, Wrong
from platform_env.environments.record import Record
from platform_env.environments.specs import Line, Spec
from platform_env.environments.yml import SpecError

SECRETS = (
    "https://user:hunter2@host.invalid/channel",
    "https://hunter2@host.invalid",
    "https://host.invalid/t/hunter2/channel",
    "host.invalid/t/hunter2/channel",
    "/t/hunter2/channel",
    "user:hunter2@host.invalid/channel",
)


def meta(name: str, *depends: str, version: str = "1.0", **more: object) -> dict:
    """Returns a record as conda leaves it in conda-meta."""
    return {
        "name": name,
        "version": version,
        "build": "h0_0",
        "subdir": "noarch",
        "fn": f"{name}-{version}-h0_0.conda",
        "sha256": "a" * 64,
        "channel": "https://conda.anaconda.org/conda-forge/noarch",
        "depends": list(depends),
        **more,
    }


def pin(name: str, version: str = "1.0", file: str = "", line: int = 0) -> CondaPin:
    file = file or f"{name}-{version}-h0_0.conda"
    return CondaPin(name, version, "h0_0", "noarch", file, "a" * 64, line=line)


class MetaTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="meta ")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def in_cache(self, record: dict, *depends: str) -> dict:
        """Returns the record of a package whose metadata in the cache has other depends."""
        package = self.folder / record["name"]
        (package / "info").mkdir(parents=True)
        (package / "info" / "index.json").write_text(json.dumps({"depends": list(depends)}))
        return {**record, "extracted_package_dir": str(package)}

    def test_names_of_depends(self) -> None:
        record = meta(
            "a", "b", "c >=1,<2", "d 1.* *_cp313", "e>=2", "F", "ch::g", "h[version='1']", "__glibc"
        )
        self.assertEqual(conda_meta.needs(record), set("bcdefgh"))
        self.assertEqual(conda_meta.needs({**record, "depends": None}), set())

    def test_defect_10_missing_names(self) -> None:
        records = [meta("a", "b 1", "c", "__unix"), meta("b", "d >=7"), meta("d", version="6")]
        self.assertEqual(conda_meta.missing(records, {}), {"c": ["a"]})
        self.assertEqual(conda_meta.missing(records, {}, ["c"]), {})
        self.assertEqual(
            conda_meta.missing(records, {"b-1.0-h0_0.conda": ["c", "e"]}),
            {"c": ["a", "b"], "e": ["b"]},
        )

    def test_defect_10_patched_depends(self) -> None:
        """A solve records the channel's depends; the package's own are read from the cache."""
        patched = self.in_cache(meta("a", "b"), "b", "dropped >=1", "__cuda")
        same = self.in_cache(meta("b", "a 1"), "a 2")
        gone = meta("c", extracted_package_dir=str(self.folder / "cleaned"))
        broken = self.in_cache(meta("d"))
        (self.folder / "d" / "info" / "index.json").write_text("{")
        found = conda_meta.unpatched([patched, same, gone, broken])
        self.assertEqual(found, {"a-1.0-h0_0.conda": ["dropped"]})

    def test_dependents(self) -> None:
        records = [
            meta("conda", "python", "solver"),
            meta("solver", "python"),
            meta("tool", "conda >=4"),
            meta("more", "tool"),
            meta("python"),
        ]
        self.assertEqual(conda_meta.dependents(records, "conda"), {"conda", "tool", "more"})
        self.assertEqual(conda_meta.dependents(records[4:], "conda"), {"conda"})

    def test_unreadable_records_are_named(self) -> None:
        folder = self.folder / "conda-meta"
        folder.mkdir()
        for text in ("{", "[]", '{"name": "a", "version": "1"}', ""):
            (folder / "a-1-0.json").write_text(text)
            with self.assertRaisesRegex(Failed, r"a-1-0\.json:1: "):
                conda_meta.packages(self.folder)


class PinsTest(unittest.TestCase):
    def test_all_that_cannot_be_pinned_is_named(self) -> None:
        records = [meta("a", sha256=None), meta("b"), meta("c")]
        with self.assertRaises(Failed) as caught:
            conda._refuse_unpinnable(records, ["conda-forge", "conda-forge", "<unknown>"])
        self.assertIn("a 1.0: conda recorded no sha256", str(caught.exception))
        self.assertIn("c 1.0: conda recorded no channel", str(caught.exception))
        self.assertNotIn("  b ", str(caught.exception))

    def test_file_names_are_compared_before_conda_runs(self) -> None:
        spec = Frozen("linux/amd64", "d", "x", ["conda-forge"])
        spec.conda = [
            pin("a", line=7),
            pin("b", "2.0", "b-1.0-h0_0.conda", 8),
            pin("c", file="c-1.0-h0_1.tar.bz2", line=9),
            pin("d", "1.0", "e-1.0-h0_0.conda", 10),
            pin("f", file="F-1.0-h0_0.tar.bz2", line=11),
        ]
        with self.assertRaises(Wrong) as caught:
            thaw._refuse_misnamed(Path("x-frozen.yml"), spec)
        said = str(caught.exception)
        self.assertIn("x-frozen.yml:8: `b=2.0=h0_0` is not the file b-1.0-h0_0.conda", said)
        self.assertIn("x-frozen.yml:9: `c=1.0=h0_0` is not the file c-1.0-h0_1.tar.bz2", said)
        self.assertIn("x-frozen.yml:10: ", said)
        self.assertNotRegex(said, ":(7|11):")


class ScratchPrefix(unittest.TestCase):
    """A prefix with conda-meta and site-packages, but without any program."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="prefix ")
        self.addCleanup(folder.cleanup)
        self.addCleanup(setattr, paths, "CONDA_DIR", paths.CONDA_DIR)
        paths.CONDA_DIR = Path(folder.name)
        self.prefix = paths.prefix("e")
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.site = self.prefix / "lib" / version / "site-packages"
        self.site.mkdir(parents=True)
        (self.prefix / "conda-meta").mkdir()

    def install(self, record: dict) -> None:
        name = f"{record['name']}-{record['version']}-{record['build']}.json"
        (self.prefix / "conda-meta" / name).write_text(json.dumps(record))

    def distribution(self, name: str, version: str, *requires: str) -> list[str]:
        folder = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {text}" for text in requires]
        (folder / "METADATA").write_text("\n".join([*lines, ""]))
        return [str((folder / "METADATA").relative_to(self.prefix))]


class OriginsTest(ScratchPrefix):
    def describe(self, state: Record, *names: str) -> dict[str, CondaPin]:
        pins = {name: pin(name) for name in names}
        origins.describe(state, pins.values())
        return pins

    def test_defect_7_via_and_provides(self) -> None:
        files = self.distribution("opencv-python", "1.0")
        self.install(meta("py-opencv", "libwhy", files=files))
        self.install(meta("Same", files=self.distribution("same", "1.0")) | {"name": "same"})
        files = self.distribution("other-version", "1.0.post1")
        self.install(meta("other-version", files=files))
        self.install(meta("libwhy"))
        self.install(meta("alone"))
        self.distribution("pip-only", "3", "opencv-python", "same>=1; extra == 'x'")
        state = Record("e", packages={"pip-only": Pin("pip-only", "3", "a" * 64)})
        lines = [Line("/x/e.yml", 3, "py-opencv"), Line("/x/a.conda", 1, "ch::LibWhy>=1")]
        state.specs = [Spec("/x/e.yml", "", conda=lines)]
        found = self.describe(state, "py-opencv", "same", "other-version", "libwhy", "alone")
        self.assertEqual(found["py-opencv"].via, ["e.yml", "pip-only"])
        self.assertEqual(found["py-opencv"].provides, ["opencv-python==1.0"])
        self.assertEqual((found["same"].via, found["same"].provides), ([], []))
        self.assertEqual(found["other-version"].provides, ["other-version==1.0.post1"])
        self.assertEqual(found["libwhy"].via, ["a.conda", "py-opencv"])
        self.assertEqual(found["alone"].via, [])
        state.specs[0].pip = [Line("/x/e.yml", 4, "pip-only[x]")]
        self.assertEqual(self.describe(state, "same")["same"].via, ["pip-only"])

    def test_defect_7_what_only_a_clone_brought(self) -> None:
        self.install(meta("a", "b"))
        self.install(meta("b"))
        found = self.describe(Record("e", cloned=["base"]), "a", "b")
        self.assertEqual((found["a"].via, found["b"].via), (["base"], ["a"]))

    def test_a_frozen_build_keeps_the_comments(self) -> None:
        self.install(meta("a"))
        self.install(meta("b", "a"))
        state = Record("e", conda_via={"a": ["patched-out", "x.yml"]})
        self.assertEqual(self.describe(state, "a")["a"].via, ["b", "patched-out", "x.yml"])

    def test_records_of_other_versions_are_refused(self) -> None:
        record.save(Record("e", cloned=["base"], missing=["a"], unpatched={"f": ["g"]}))
        self.assertEqual(record.load("e").unpatched, {"f": ["g"]})
        file = record.path(self.prefix)
        file.write_text(file.read_text().replace('"version": 2', '"version": 1'))
        with self.assertRaisesRegex(Failed, "expected version 2, found 1.*create e again"):
            record.load("e")

    def test_defect_10_frozen_build_lacks_a_name(self) -> None:
        self.install(meta("a", "b", "c"))
        spec = Frozen("linux/amd64", "d", "e", ["conda-forge"], missing=["b"])
        spec.conda = [pin("a", line=9)]
        with self.assertRaisesRegex(Failed, "^x-frozen.yml:9: a requires c, which is missing\n"):
            thaw._refuse_missing(Path("x-frozen.yml"), spec, Record("e"))
        spec.missing = ["b", "c"]
        thaw._refuse_missing(Path("x-frozen.yml"), spec, Record("e"))


class UnrecordedTest(ScratchPrefix):
    """What a clone asks for when nothing was recorded, as in base."""

    def direct_url(self, name: str, **source: object) -> None:
        self.distribution(name, "1.0")
        (self.site / f"{name}-1.0.dist-info" / "direct_url.json").write_text(json.dumps(source))

    def test_versions_and_commits(self) -> None:
        commit = "b" * 40
        vcs = {"vcs": "git", "commit_id": commit}
        self.distribution("plain", "2.0")
        self.direct_url("local", url="file:///x", dir_info={})
        self.direct_url("cloned", url="https://host.invalid/c", vcs_info=vcs)
        self.direct_url("deeper", url="https://host.invalid/d", vcs_info=vcs, subdirectory="a/b")
        self.install(meta("owned", files=self.distribution("owned", "1.0")))
        state = Record("e", packages={"plain": Pin("plain", "2.0", "a" * 64)})
        spec = clone._unrecorded("e", state)
        self.assertEqual(
            [line.text for line in spec.pip],
            [
                f"cloned @ git+https://host.invalid/c@{commit}",
                f"deeper @ git+https://host.invalid/d@{commit}#subdirectory=a/b",
                "local==1.0",
            ],
        )

    def test_credentials_of_a_repository_are_refused(self) -> None:
        vcs = {"vcs": "git", "commit_id": "b" * 40}
        self.direct_url("cloned", url="https://u:hunter2@host.invalid/c", vcs_info=vcs)
        with self.assertRaises(SpecError) as caught:
            clone._unrecorded("e", Record("e"))
        self.assertNotIn("hunter2", str(caught.exception))


class LinesTest(unittest.TestCase):
    def read(self, name: str, text: str) -> Spec:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.write_text(text)
            return specs.read(path)

    def test_defect_13_what_only_conda_can_judge(self) -> None:
        for text in (
            *("blas=*=openblas", "libblas=*=*mkl", "jaxlib=*=*cuda*", "_openmp_mutex=*=*_llvm"),
            *("numpy=*", "hdf5=1.14.*=nompi*", "conda-forge::x[version='>=1']", "a 1.2 py_0"),
            *("conda-forge/linux-64::x", "x[build=*cuda*,channel=conda-forge]", "R-base", "x!=1"),
            *("https://host.invalid/~user/ch::x", "mkl*", "x; if python >=3.12", "x>=1|<0.5"),
        ):
            with self.subTest(text):
                self.assertEqual(specs.conda_line(Line("x.conda", 1, text)).text, text)

    def test_what_only_pip_reads(self) -> None:
        for text in (
            f"numpy==1 --hash=sha256:{'a' * 64}",
            "name @ git+https://host.invalid/name",
            "numpy==1.0; python_version < '3.13'",
            "-c conda-forge",
            "@EXPLICIT",
        ):
            with self.subTest(text), self.assertRaises(SpecError) as caught:
                specs.conda_line(Line("x.conda", 4, text))
            self.assertIn("x.conda:4: ", str(caught.exception))
            self.assertIn(".pip list", str(caught.exception))

    def test_defect_5_credentials_in_channels(self) -> None:
        for url in SECRETS:
            for name, text, line in (
                ("x.yml", f"channels:\n  - conda-forge\n  - {url}\ndependencies:\n  - a\n", 3),
                ("x.yml", f"channels:\n  - a\ndependencies:\n  - '{url}::x>=1'\n", 4),
                ("x.conda", f"a\n{url}::x\n", 2),
                ("x.conda", f"x[channel={url}]\n", 1),
                ("x.conda", f"x[version='>1', channel='{url}']\n", 1),
            ):
                with self.subTest(text), self.assertRaises(SpecError) as caught:
                    self.read(name, text)
                self.assertIn(f"{name}:{line}: ", str(caught.exception))
                self.assertIn("CONDA_CHANNEL_ALIAS", str(caught.exception))
                self.assertNotIn("hunter2", str(caught.exception))

    def test_defect_11_nodefaults(self) -> None:
        spec = self.read("x.yml", "channels: [conda-forge, nodefaults]\ndependencies: [a]\n")
        self.assertEqual(spec.channels, ["conda-forge"])


# As conda writes it of an exception that it did not expect.
REPORT = """# >>>>>>>>>>>>>>>>>>>>>> ERROR REPORT <<<<<<<<<<<<<<<<<<<<<<

    Traceback (most recent call last):
      File "/opt/conda/idna.py", line 1, in six
        raise ValueError(python)
    ValueError: Incompatible component merge:
      - 'No-Such'
      - 'six'

`$ /opt/conda/bin/conda install -y -n idna`

         python version : 3.13.5.final.0
"""


class ErrorsTest(unittest.TestCase):
    LINES = (
        Line("e.yml", 4, "python=3.13"),
        Line("e.yml", 5, "ch::No-Such>=1"),
        Line("b.conda", 1, "idna<3"),
        Line("b.conda", 2, "six"),
    )

    def test_where_an_error_begins(self) -> None:
        for text in (
            "PackagesNotFoundInChannelsError: The following packages are not available",
            "LibMambaUnsatisfiableError: Encountered problems while solving:",
            "CondaHTTPError: HTTP 404 NOT FOUND for url <https://host.invalid>",
            "InvalidMatchSpec: Invalid spec",
            "# >>>>>>>>>>>>>>>>>>>>>> ERROR REPORT <<<<<<<<<<<<<<<<<<<<<<",
        ):
            self.assertTrue(conda_errors.begins(text), text)
        for text in ("Channels:", "Solving environment: failed", "", "  - a", "UserWarning: a"):
            self.assertFalse(conda_errors.begins(text), text)

    def test_defect_12_each_message_once(self) -> None:
        part = [
            "NotFoundError: these packages:",
            "",
            "  - {}",
            "",
            "Current channels:",
            "",
            "  - c",
        ]
        lines = [line.format(name) for name in ("a", "b") for line in [*part, ""]]
        text = conda_errors.once(lines)
        self.assertEqual([text.count(word) for word in ("NotFound", "Current", "- c")], [1, 1, 1])
        self.assertIn("  - a", text)
        self.assertIn("  - b", text)
        self.assertEqual(conda_errors.once(["x", "x", "", "", "", "y"]), "x\n\ny")

    def test_defect_12_the_lines_that_a_message_names(self) -> None:
        for message, expected in (
            ("NotFound:\n  - no-such[version='>=1']\n\n  - https://host.invalid/six/noarch\n", [1]),
            ("package idna-2.10-py_0 requires python 2.7.*, but", [0, 2]),
            ("nothing provides requested six 2.0.", [3]),
            ("UnsatisfiableError: no hints", [0, 1, 2, 3]),
            ("EnvironmentSpecPluginNotDetected: /tmp/requirements.txt", [0, 1, 2, 3]),
            ("NoSpaceLeftError: disk", []),
            ("ChecksumMismatchError: https://host.invalid/c/noarch/six-1.0-h0_0.conda", [3]),
            (REPORT, [1, 3]),
            ("ChecksumMismatchError: https://host.invalid/c/noarch/six-1!2.0+a-h0_0.conda", [3]),
            ("Invalid: six!=1", [3]),
        ):
            with self.subTest(message):
                found = conda_errors.about(message, self.LINES)
                self.assertEqual(found, [self.LINES[index] for index in expected])

    def test_no_credentials_in_messages(self) -> None:
        """Whatever a message repeats: conda's words, or a line that cannot be read."""
        for url in (*SECRETS[:3], "git+https://u:hun@hunter2@host.invalid/x"):
            said = io.StringIO()
            with contextlib.redirect_stderr(said):
                paths.say(f"x.pip:1: `{url}` has no name")
            self.assertIn("host.invalid", said.getvalue())
            self.assertNotIn("hun", said.getvalue())


class ProgramTest(unittest.TestCase):
    def test_conda_imports_nothing_of_a_home(self) -> None:
        kept = {"CONDA_CHANNEL_ALIAS": "https://host.invalid", "PATH": "/bin", "HOME": "/h"}
        dropped = (
            "PYTHONPATH",
            "PYTHONHOME",
            "CONDA_JSON",
            "CONDA_ENVS_DIRS",
            "CONDA_PREFIX",
            "CONDA_PREFIX_1",
            "CONDA_SHLVL",
        )
        given = kept | dict.fromkeys(dropped, "x") | {"PYTHONNOUSERSITE": ""}
        added = {"PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1"}
        self.assertEqual(conda.environment(given), kept | added)
