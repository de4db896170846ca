"""Conda lines that the host (`xtask/src/specs/tests/conda.rs`) and these scripts read alike."""

import json
import unittest
from pathlib import Path
from typing import Any

import environments  # noqa: F401 - puts the scripts' package on the path
from platform_env.environments import specs
from platform_env.environments.specs import Line
from platform_env.environments.yml import SpecError

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("conda_lines.json").read_text())


class CondaLines(unittest.TestCase):
    def refusal(self, text: str) -> str:
        with self.subTest(text), self.assertRaises(SpecError) as caught:
            specs.conda_line(Line("x.conda", 1, text))
        return str(caught.exception)

    def test_valid(self) -> None:
        for text, name in CASES["valid"]:
            with self.subTest(text):
                line = specs.conda_line(Line("x.conda", 1, text))
                self.assertEqual(specs.conda_name(line), name)

    def test_refused(self) -> None:
        for text in CASES["refused"]:
            self.assertIn("is not a conda package spec", self.refusal(text))

    def test_credentials(self) -> None:
        for text in CASES["credentials"]:
            self.assertIn("CONDA_CHANNEL_ALIAS", self.refusal(text))


if __name__ == "__main__":
    unittest.main()
