"""Frozen specs that the host (`xtask/src/specs/frozen/tests/cases.rs`) and these scripts read
alike."""

import json
import unittest
from pathlib import Path
from typing import Any

import environments  # noqa: F401 - puts the scripts' package on the path
from platform_env.environments import frozen
from platform_env.environments.yml import SpecError

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("frozen_cases.json").read_text())
GOOD = "".join(f"{line}\n" for line in CASES["good"])
FILE = Path("f.yml")


def written(text: str) -> str:
    return frozen.render(frozen.parse(FILE, text.removeprefix("\ufeff")))


class FrozenCases(unittest.TestCase):
    def replaced(self, old: str, new: str) -> str:
        self.assertTrue(not old or GOOD.count(old) == 1, old)
        return GOOD.replace(old, new) if old else GOOD

    def test_same(self) -> None:
        for old, new in CASES["same"]:
            with self.subTest(new):
                text = self.replaced(old, new)
                self.assertEqual(written(text), text)

    def test_rewritten(self) -> None:
        for old, new, newer in CASES["rewritten"]:
            with self.subTest(new):
                self.assertEqual(written(self.replaced(old, new)), self.replaced(old, newer))

    def test_refused(self) -> None:
        for old, new, line in CASES["refused"]:
            with self.subTest(new), self.assertRaises(SpecError) as caught:
                frozen.parse(FILE, self.replaced(old, new))
            self.assertTrue(str(caught.exception).startswith(f"{FILE}:{line}: "), caught.exception)


if __name__ == "__main__":
    unittest.main()
