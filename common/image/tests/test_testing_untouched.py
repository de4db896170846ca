"""Imports that cannot see what changed since an image in which they passed."""

import hashlib
import json
import sys
import unittest

from stand_in import SCRIPTS, Installation, notebook

sys.path.insert(0, str(SCRIPTS))

# Two packages that know nothing of each other, one that requires `old`, one that looks for `extra`
# without requiring it, and the added one.
PACKAGES = {
    "alone": ("", "import json\n"),
    "user": ("Requires-Dist: old>=1\n", "import old\n"),
    "seeker": ("", "try:\n    import extra\nexcept ImportError:\n    extra = None\n"),
    "old": ("", ""),
    "extra": ("", ""),
}


class Sky(unittest.TestCase):
    """An environment with these packages."""

    def setUp(self):
        self.made = Installation()
        self.addCleanup(self.made.remove)
        self.made.add("sky", {"tests/imports": "alone\nuser\nseeker\nold\njson\n"})
        self.site = next((self.made.conda / "envs/sky/lib").glob("python3*/site-packages"))
        for name, (requires, text) in PACKAGES.items():
            self.add(name, requires, {f"{name}/__init__.py": text})
        self.made.run("kernel-setup")

    def add(self, name, requires="", files=None, entry_points=""):
        info = self.site / f"{name}-1.0.dist-info"
        info.mkdir(exist_ok=True)
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        (info / "METADATA").write_text(head + requires)
        if entry_points:
            (info / "entry_points.txt").write_text(entry_points)
        files = files or {}
        (info / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))
        for file, text in files.items():
            path = self.site / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def became(self, before=("alone", "user", "seeker", "old"), after=tuple(PACKAGES), **other):
        """Records that packages `before` became `after`."""
        folder = self.made.conda / "envs/sky/share/environment"
        folder.mkdir(parents=True, exist_ok=True)
        for file, names in (("before.json", before), ("record.json", after)):
            pins = {name: {"version": other.get(f"{file[0]}_{name}", "1.0")} for name in names}
            (folder / file).write_text(json.dumps({"packages": pins, "build": {}}))


class Untouched(Sky):
    def skipped(self, *packages, **other):
        """Returns the imports that need not run when packages changed so."""
        self.became(*packages, **other)
        (self.made.results / "results.jsonl").unlink(missing_ok=True)
        tests = ["alone", "user", "seeker", "old", "json"]
        done = self.made.test(passed=[["sky", "import", it] for it in tests])
        record = self.made.results / "skipped.jsonl"
        lines = record.read_text().splitlines() if record.exists() else []
        skipped = {json.loads(line)[2] for line in lines}
        record.unlink(missing_ok=True)
        ran = {it["name"] for it in done.recorded if it["kind"] == "import"}
        self.assertEqual(skipped | ran, set(tests))
        self.assertFalse(skipped & ran)
        return sorted(skipped)

    def test_an_added_package(self):
        """Who looks for it, and what no package brings, is imported again."""
        self.assertEqual(self.skipped(), ["alone", "old", "user"])

    def test_another_version(self):
        self.assertEqual(self.skipped(tuple(PACKAGES), b_old="0.9"), ["alone", "seeker"])

    def test_nothing_changed(self):
        everything = tuple(PACKAGES)
        self.assertEqual(self.skipped(everything), ["alone", "old", "seeker", "user"])

    def test_a_package_is_gone(self):
        self.assertEqual(self.skipped((*PACKAGES, "gone")), [])

    def test_what_others_see_without_an_import(self):
        for entry_points, files in (
            ("[plugins]\na = extra\n", {"extra/__init__.py": ""}),
            ("", {"extra/__init__.py": "", "extra.pth": "import extra\n"}),
            ("", {"extra/__init__.py": "", "alone/more.py": ""}),
            ("", {"extra/__init__.py": "", "../../../etc/conf": ""}),
        ):
            with self.subTest(entry_points=entry_points, files=files):
                self.add("extra", "", {it: text for it, text in files.items() if ".." not in it})
                self.add("extra", "", {}, entry_points)
                record = self.site / "extra-1.0.dist-info" / "RECORD"
                record.write_text("".join(f"{file},,\n" for file in files))
                self.assertEqual(self.skipped(), [])
                (self.site / "extra-1.0.dist-info" / "entry_points.txt").unlink(missing_ok=True)

    def test_programs_are_no_influence(self):
        self.add("extra", "", {"extra/__init__.py": ""}, "[console_scripts]\nx = extra:x\n")
        self.assertEqual(self.skipped(), ["alone", "old", "user"])


# By the name of the notebook: its code, and whether it may see the package `extra`.
NOTEBOOKS = {
    "alone": ("import alone\nimport json\n%matplotlib inline\n", False),
    "user": ("def f():\n    from user import old\n", False),
    "seeker": ("import seeker\n", True),
    "by-name": ("extra = 1\n", True),
    "unknown": ("import nowhere_known\n", True),
    "program": ("!true\n", True),
    "magic": ("%pwd\n", True),
    "dynamic": ("import importlib\n", True),
    "broken": ("def :\n", True),
}


class UntouchedNotebooks(Sky):
    def setUp(self):
        super().setUp()
        for it in ("ipykernel", "IPython"):  # the real ones are in the image's base
            self.add(it)
            record = self.site / f"{it}-1.0.dist-info" / "RECORD"
            record.write_text(f"{it}/__init__.py,,\n")
        self.tests = self.made.add_files(
            "sky", {f"tests/{it}.ipynb": notebook(code) for it, (code, _) in NOTEBOOKS.items()}
        ).joinpath("tests")
        self.became()
        digests = (
            f"{hashlib.sha256(it.read_bytes()).hexdigest()}  ./{it.relative_to(self.tests)}\n"
            for it in self.tests.iterdir()
        )
        folder = self.made.conda / "envs/sky/share/environment"
        (folder / "before-tests.sha256").write_text("".join(digests))

    def skipped(self, *names):
        """Returns those of the notebooks that need not run when `extra` was added."""
        allowed = [["sky", "notebook", f"{it}.ipynb"] for it in names]
        self.made.test(passed=allowed, tests=allowed)
        record = self.made.results / "skipped.jsonl"
        lines = record.read_text().splitlines() if record.exists() else []
        return {json.loads(line)[2].removesuffix(".ipynb") for line in lines}

    def test_an_added_package(self):
        self.assertEqual(
            self.skipped(*NOTEBOOKS), {it for it, (_, may) in NOTEBOOKS.items() if not may}
        )

    def test_other_tests_than_in_the_image(self):
        (self.tests / "alone.ipynb").write_text(notebook("import alone"))
        self.assertEqual(self.skipped("user"), set())

    def test_a_module_beside_notebooks(self):
        (self.tests / "alone.py").write_text("")
        self.assertEqual(self.skipped("user"), set())

    def test_another_kernel(self):
        self.became(after=(*PACKAGES, "ipykernel"))
        self.assertEqual(self.skipped("user"), set())


if __name__ == "__main__":
    unittest.main()
