"""Digests of what tests depend on: a change of any of it changes them, and nothing else does."""

import json
import os
import stat
import sys
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from stand_in import SCRIPTS, notebook

sys.path.insert(0, str(SCRIPTS))

from platform_env.environments import paths
from platform_env.testing import dependencies, results
from platform_env.testing.plan import Plan

CONDA = "opt/conda"
SKY = f"{CONDA}/envs/sky"
SITE = f"{SKY}/lib/python3.13/site-packages"
TESTS = "opt/environments/sky/tests"
FILES = {
    f"{CONDA}/bin/python": "",
    f"{CONDA}/lib/base.py": "base",
    f"{CONDA}/share/jupyter/kernels/python3/kernel.json": "{}",
    f"{CONDA}/share/jupyter/kernels/sky/kernel.json": '"/opt/conda/envs/sky/bin/python"',
    f"{CONDA}/share/jupyter/kernels/sea/kernel.json": '"/opt/conda/envs/sea/bin/python"',
    f"{SKY}/bin/python": "#!",
    f"{SITE}/numpy.py": "x = 1",
    f"{SITE}/__pycache__/numpy.pyc": "1",
    f"{TESTS}/imports": "numpy  # all of it\n",
    f"{TESTS}/a.ipynb": notebook("import numpy", kernelspec={"name": "sky"}),
    f"{TESTS}/helper.py": "y = 1",
    f"{CONDA}/envs/sea/bin/python": "#!",
    f"{CONDA}/envs/sea/lib/waves.py": "z = 1",
    "opt/environments/sea/tests/imports": "waves\n",
    "opt/common-scripts/test-imports": "#!/bin/bash",
    "opt/tester/plan.json": "1",
    "usr/bin/tool": "1",
    "var/lib/dpkg/status": "Package: tool",
    "etc/hosts": "1",
    "tmp/scratch": "1",
    "proc/1/stat": "1",
    ".dockerenv": "",
}


class Dependencies(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for name, text in FILES.items():
            self.write(name, text)
        for name, place in (("CONDA_DIR", CONDA), ("ENVIRONMENTS", "opt/environments")):
            patch = mock.patch.object(paths, name, self.root / place)
            patch.start()
            self.addCleanup(patch.stop)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def digests(self) -> dict[str, str]:
        return dependencies.digests(self.root)

    def changed(self, change: Callable[[], object]) -> set[str]:
        """Returns the environments whose digests a change alters or removes."""
        before = self.digests()
        self.assertEqual(set(before), {"base", "sea", "sky"})
        change()
        after = self.digests()
        return {it for it in before if before[it] != after.get(it)}

    def test_what_one_environment_has(self) -> None:
        own = (
            f"{SKY}/bin/python", f"{SITE}/numpy.py", f"{TESTS}/imports", f"{TESTS}/helper.py",
            f"{TESTS}/a.ipynb", f"{CONDA}/share/jupyter/kernels/sky/kernel.json",
        )  # fmt: skip
        for name in own:
            with self.subTest(name):
                changed = self.changed(lambda name=name: self.write(name, FILES[name] + " "))
                self.assertEqual(changed, {"sky"})
        self.assertEqual(self.changed(lambda: self.write(f"{SITE}/new.py", "")), {"sky"})
        self.assertEqual(self.changed((self.root / SITE / "new.py").unlink), {"sky"})
        self.assertEqual(self.changed((self.root / SITE / "empty").mkdir), {"sky"})

    def test_what_all_share(self) -> None:
        shared = (
            f"{CONDA}/lib/base.py", f"{CONDA}/share/jupyter/kernels/python3/kernel.json",
            "opt/common-scripts/test-imports", "usr/bin/tool", "var/lib/dpkg/status",
        )  # fmt: skip
        for name in shared:
            with self.subTest(name):
                changed = self.changed(lambda name=name: self.write(name, FILES[name] + "2"))
                self.assertEqual(changed, {"base", "sea", "sky"})

    def test_modes_kinds_and_targets(self) -> None:
        module = self.root / SITE / "numpy.py"
        self.assertEqual(self.changed(lambda: module.chmod(0o600)), {"sky"})
        self.assertEqual(self.changed(lambda: module.parent.chmod(0o700)), {"sky"})
        link = self.root / SITE / "link"
        self.assertEqual(self.changed(lambda: link.symlink_to("numpy.py")), {"sky"})
        link.unlink()
        self.assertEqual(self.changed(lambda: link.symlink_to("./numpy.py")), {"sky"})
        link.unlink()
        self.assertEqual(self.changed(lambda: os.mkfifo(link)), {"sky"})
        tool = self.root / "usr/bin/tool"
        self.assertEqual(self.changed(lambda: tool.chmod(0o4755)), {"base", "sea", "sky"})

    def test_owners(self) -> None:
        def line(uid: int) -> bytes:
            status = os.stat_result((stat.S_IFREG | 0o644, 1, 1, 1, uid, 100, 0, 0, 0, 0))
            return dependencies._line("/a", status, b"")

        self.assertNotEqual(line(0), line(1000))

    def test_what_does_not_count(self) -> None:
        for name in ("opt/tester/plan.json", "etc/hosts", "tmp/scratch", "proc/1/stat"):
            self.assertEqual(self.changed(lambda name=name: self.write(name, "2")), set(), name)
        compiled = f"{SITE}/__pycache__/numpy.pyc"
        self.assertEqual(self.changed(lambda: self.write(compiled, "2")), set())
        module = self.root / SITE / "numpy.py"
        self.assertEqual(self.changed(lambda: os.utime(module, (1, 1))), set())
        self.assertEqual(self.changed(lambda: self.write("etc/hostname", "x")), set())

    def test_text_of_tests_that_may_see_another_environment(self) -> None:
        for code in (
            "open('/x/sea/y')", "!conda list", "import glob; glob.glob('/opt/*/envs/*')",
            "import sys; sys.prefix", "open('../../x')", "!jupyter kernelspec list",
        ):  # fmt: skip
            with self.subTest(code):
                self.write(f"{TESTS}/b.ipynb", notebook(code))
                self.assertEqual(set(self.digests()), {"base", "sea"})
        self.write(f"{TESTS}/b.ipynb", notebook("1", kernelspec={"name": "sea"}))
        self.assertEqual(set(self.digests()), {"base", "sea"})
        self.write(f"{TESTS}/b.ipynb", notebook("overseas = 'seashell'"))
        self.assertEqual(set(self.digests()), {"base", "sea", "sky"})
        for text in ("{", "[]", '{"cells": 1}', '{"cells": [1]}'):
            self.write(f"{TESTS}/b.ipynb", text)
            self.assertEqual(set(self.digests()), {"base", "sea"}, text)
        (self.root / TESTS / "b.ipynb").unlink()
        self.write(f"{TESTS}/data.bin", "in sea")
        self.assertEqual(set(self.digests()), {"base", "sea"})
        (self.root / TESTS / "data.bin").unlink()
        (self.root / TESTS / "link").symlink_to("../../sea/tests/imports")
        self.assertEqual(set(self.digests()), {"base", "sea"})

    def test_notebooks_that_a_list_names(self) -> None:
        self.write("opt/default-home-contents/b.ipynb", notebook("open('/x/sea/y')"))
        named = self.root / "opt/default-home-contents/*.ipynb"
        self.assertEqual(set(self.digests()), {"base", "sea", "sky"})
        self.write(f"{TESTS}/notebooks", f"{named}\n")
        self.assertEqual(set(self.digests()), {"base", "sea"})

    def test_scripts(self) -> None:
        self.write("opt/environments/sea/tests/test", "#!/bin/bash")
        self.assertEqual(set(self.digests()), {"base", "sky"})
        script = self.root / "opt/environments/test"
        script.symlink_to("/opt/common-scripts/test-environments")
        self.assertEqual(set(self.digests()), {"base", "sky"})
        script.unlink()
        self.write("opt/environments/test", "#!/bin/bash")
        self.assertEqual(self.digests(), {})

    def test_files_that_lead_into_another_environment(self) -> None:
        sea = self.root / CONDA / "envs/sea"
        linked = self.root / SITE / "link"
        linked.symlink_to(sea / "lib")
        self.assertEqual(set(self.digests()), {"base", "sea"})
        linked.unlink()
        for name in (f"{SITE}/paths.py", f"{SITE}/large.bin"):
            size = (1 << 20) - 5 if "large" in name else 0
            path = self.write(name, " " * size + f"'{sea}/bin/waves'")
            self.assertEqual(set(self.digests()), {"base", "sea"}, name)
            path.unlink()
        for line in (
            f"exec {sea}/bin/waves", 'exec "$CONDA_DIR/envs/sea/bin/waves"', "source activate sea",
            "conda run -n sea waves", "conda run --name=sea waves", "../../../sea/lib",
        ):  # fmt: skip
            self.write("usr/bin/waves", line)
            self.assertEqual(set(self.digests()), {"sea"}, line)
        self.write("usr/bin/waves", f"exec {sea}-side/bin/waves")
        self.assertEqual(set(self.digests()), {"base", "sea", "sky"})

    def test_links_through_another_environment(self) -> None:
        (self.root / CONDA / "envs/sea/bin/julia").symlink_to("/usr/lib/julia")
        (self.root / "usr/bin/julia").symlink_to(self.root / CONDA / "envs/sea/bin/julia")
        self.assertEqual(set(self.digests()), {"sea"})

    def test_the_config_that_names_another_environment(self) -> None:
        for word in ("/opt/conda/envs/sea/share", "/a:/opt/conda/envs/sea/bin:/b"):
            found = dependencies.digests(self.root, ["/opt/conda/bin", word])
            self.assertEqual(set(found), {"sea"}, word)
        self.assertEqual(dependencies.digests(self.root, ["/opt/conda/bin"]), self.digests())

    def test_what_is_beside_compiled_python(self) -> None:
        machine_code = f"{SITE}/__pycache__/numpy.nbi"
        self.assertEqual(self.changed(lambda: self.write(machine_code, "1")), {"sky"})
        self.assertEqual(self.changed(lambda: self.write(machine_code, "2")), {"sky"})

    def test_limits(self) -> None:
        for name in ("MOST_BYTES", "MOST_FOLDERS"):
            with mock.patch.object(dependencies, name, 3):
                self.assertRaises(dependencies._UnknownError, self.digests)
        with mock.patch.object(dependencies, "LARGEST_TESTS", 3):
            self.assertEqual(set(self.digests()), {"base"})

    def test_the_file_beside_results(self) -> None:
        folder = self.root / "tmp/results"
        self.addCleanup(results._folders.clear)
        results.keep_in(folder)
        with mock.patch.object(dependencies, "Path", lambda _: self.root):
            dependencies.record(Plan())
            self.assertFalse(folder.exists())
            with mock.patch.object(dependencies, "MOST_BYTES", 3):
                dependencies.record(Plan(dependencies=True))
            said = (folder / dependencies.REASON).read_text()
            self.assertEqual(said, "they have more than 3 bytes")
            self.assertFalse((folder / dependencies.FILE).exists())
            missing = FileNotFoundError(2, "No such file or directory", "/a\x1b[2J")
            with mock.patch.object(dependencies, "digests", side_effect=missing):
                dependencies.record(Plan(dependencies=True))
            said = (folder / dependencies.REASON).read_text()
            self.assertTrue(said.startswith("[Errno 2] No such file") and "\x1b" not in said, said)
            dependencies.record(Plan(dependencies=True))
        found = json.loads((folder / dependencies.FILE).read_text())
        self.assertEqual(found, self.digests())


if __name__ == "__main__":
    unittest.main()
