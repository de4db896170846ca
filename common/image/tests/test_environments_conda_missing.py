"""Dependencies that a frozen spec lacks, and what was missing in the floating build already."""

import re

from environments import Scratch


class MissingTest(Scratch):
    conda_base = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        test = cls()
        spec = (
            "channels:\n  - conda-forge\ndependencies:\n  - python\n  - patched\n  - py-opencv\n"
            "  - pip:\n    - humanize\n"
        )
        test.run_script("env-create", "e", test.write("e/e.yml", spec))
        cls.text = test.run_script("env-export", "e")

    def frozen(self, name: str, text: str, status: int = 0, **env: str) -> str:
        self.write(f"{name}/{name}-frozen.yml", text.replace("name: e", f"name: {name}"))
        return self.run_script("env-create", name, status=status, USE_FROZEN="1", **env)

    def test_what_repodata_patched_away_is_allowed(self) -> None:
        self.assertIn("\n# missing: libecho\nname: e\n", self.text)
        for name, env in (("warm", {}), ("cold", self.cold_cache())):
            with self.subTest(name):
                self.frozen(name, self.text, **env)
                again = self.run_script("env-export", name)
                self.assertEqual(again.replace(f"name: {name}", "name: e"), self.text)

    def test_defect_10_a_frozen_spec_that_lacks_a_dependency(self) -> None:
        for pattern, user, name in (
            (r"# missing: libecho\n", "patched", "libecho"),
            (r"  - idna=.*\n", "patched", "idna"),
            (r"  - tzdata=.*\n", "python", "tzdata"),
        ):
            with self.subTest(name):
                altered = re.sub(pattern, "", self.text)
                self.assertNotEqual(altered, self.text)
                lines = altered.splitlines()
                number = next(i for i, it in enumerate(lines, 1) if it.startswith(f"  - {user}="))
                said = self.frozen("x", altered, status=1, **self.cold_cache())
                problem = f"x-frozen.yml:{number}: {user} requires {name}, which is missing"
                self.assertIn(problem, said)
                self.assertNotIn("humanize", said)
                self.assertFalse(self.prefix("x").exists())

    def test_defect_10_export_compares_as_well(self) -> None:
        self.frozen("y", self.text)
        next((self.prefix("y") / "conda-meta").glob("tzdata-*.json")).unlink()
        said = self.run_script("env-export", "y", status=1)
        self.assertIn("tzdata is required by python and is not installed", said)

    def test_defect_7_comments_of_conda_lines(self) -> None:
        self.assertRegex(
            self.text, r"- py-opencv=.*\]  # via e\.yml; provides opencv-python==4\.10\.0\n"
        )
        self.assertRegex(self.text, r"- idna=.*\]  # via patched\n")
        self.assertRegex(self.text, r"- pip=.*\]  # via env-create\n")
