"""Lists that the host (`xtask/src/specs/tests/cases.rs`) and these scripts read alike."""

import json
import unittest
from pathlib import Path
from typing import Any

import spec_reader

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("spec_lines.json").read_text())


class SpecLines(unittest.TestCase):
    def test_cases(self) -> None:
        groups = [cases for name, cases in CASES.items() if name != "about"]
        self.assertGreater(sum(map(len, groups)), 300)
        for name, text, expected in (case for cases in groups for case in cases):
            with self.subTest(text, name=name):
                answer = spec_reader.read("list", name, text)
                kind = "reads" if isinstance(expected, list) else "line"
                self.assertEqual(answer, {kind: expected})


if __name__ == "__main__":
    unittest.main()
