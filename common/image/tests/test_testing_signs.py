"""test-notebooks: every sign of failure counts, also those for which nbclient does not stop."""

import unittest
from pathlib import Path

from stand_in import Installation, notebook

CASES = Path(__file__).resolve().parent / "cases"

FAILING = {  # by case: notebook, and what its message says
    "run-magic-fails": {
        "a-run-fails.ipynb": "ValueError: inside the script",
        "a-run-exit.ipynb": "SystemExit: 4",
    },
    "raises-but-does-not": {"a-raises-but-does-not.ipynb": "did not raise"},
    "nothing-runs": {"a-empty.ipynb": "no cell ran", "a-all-skipped.ipynb": "no cell ran"},
    "magic-error": {"a-badmagic.ipynb": "UsageError"},
}


class Signs(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.made = Installation()
        cls.addClassCleanup(cls.made.remove)
        files = {
            f"tests/{name}": (CASES / case / name).read_text()
            for case, names in FAILING.items()
            for name in names
        }
        files["tests/markdown.ipynb"] = notebook().replace(
            '"cells": []',
            '"cells": [{"cell_type": "markdown", "id": "m", "metadata": {}, "source": "text"}]',
        )
        # -1 and null are no limit.
        no_limit = (CASES / "timeout-minus-one" / "a-timeout.ipynb").read_text()
        files["tests/timeout.ipynb"] = no_limit
        files["tests/timeout-null.ipynb"] = no_limit.replace("-1", "null")
        files["tests/good.ipynb"] = notebook("", "1", "import sys; print(2, file=sys.stderr)")
        cls.made.add("sky", files)
        cls.made.run("kernel-setup")
        cls.done = cls.made.run("test-notebooks", "sky", "*.ipynb")

    def test_every_sign_of_failure_counts(self) -> None:
        for case, names in FAILING.items():
            for name, says in names.items():
                with self.subTest(case, notebook=name):
                    self.assertIn(f"notebook {name}", self.done.names("failed"))
                    self.assertIn(says, self.done.message(name))
        self.assertIn("no cell ran", self.done.message("markdown.ipynb"))
        self.assertEqual(
            self.done.names("passed"),
            [f"notebook {it}.ipynb" for it in ("good", "timeout-null", "timeout")],
        )


if __name__ == "__main__":
    unittest.main()
