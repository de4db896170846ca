"""Control characters, which the host (`xtask/src/run/printable.rs`) and these scripts replace
alike."""

import contextlib
import io
import json
import unittest
from pathlib import Path

import environments  # noqa: F401 - puts the scripts' package on the path
from platform_env.environments import paths, printable
from platform_env.testing.results import Report, Result

CASES: list[list[str]] = json.loads(Path(__file__).with_name("printable_cases.json").read_text())
HOSTILE = "\x1b]52;c;cm0gLXJm\x07\x1b[31m\rdone\u202e"


class Printable(unittest.TestCase):
    def test_control_characters(self) -> None:
        for given, expected in CASES:
            with self.subTest(given):
                self.assertEqual(printable.text(given), expected)
                self.assertEqual(printable.line(given), expected.replace("\n", "\ufffd"))

    def test_what_tests_say(self) -> None:
        report = Report()
        name = f"a{HOSTILE}\npassed  sky: import b"
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            report.add(Result("sky", "import", name, f"broken\n{HOSTILE}", command=("x", name)))
            report.finish()
        self.assertEqual(printable.text(shown.getvalue()), shown.getvalue())
        self.assertNotIn("\npassed", shown.getvalue())

    def test_messages(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            paths.say(HOSTILE)
        self.assertEqual(said.getvalue(), "\ufffd]52;c;cm0gLXJm\ufffd\ufffddone\ufffd\n")
