"""Broken notebooks, about which the image's tests say what `cargo xtask check` says
(`xtask/src/check/tests/notebooks.rs`, which also writes the expectations)."""

import json
import unittest
from pathlib import Path

import environments  # noqa: F401 - puts the scripts' package on the path
from platform_env.testing import notebook_format
from platform_env.testing.notebook_format import Invalid

CASES: list[tuple[str, list[str]]] = json.loads(
    Path(__file__).with_name("notebook_cases.json").read_text()
)
KERNELS = ("hello", "python3")


def found(given: str) -> list[str]:
    """Returns the problems of a notebook, which is a text or `hex:` and bytes."""
    data = bytes.fromhex(given[4:]) if given.startswith("hex:") else given.encode()
    try:
        notebook = notebook_format.read(data)
    except Invalid as error:
        return [str(error.problem)]
    res = [*notebook_format.problems(notebook)]
    res += filter(None, [notebook_format.unknown_kernel(notebook, KERNELS)])
    try:
        notebook_format.limit(notebook, 60)
    except Invalid as error:
        res.append(error.problem)
    return [str(it) for it in res]


class Cases(unittest.TestCase):
    def test_broken_notebooks(self) -> None:
        self.assertGreater(len(CASES), 120)
        for given, expected in CASES:
            with self.subTest(given):
                self.assertEqual(found(given), expected)


if __name__ == "__main__":
    unittest.main()
