"""Scripts leave no bytecode: root's would be folders in CONDA_DIR that are closed to the group."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from stand_in import SCRIPTS


class Bytecode(unittest.TestCase):
    def test_scripts_write_none(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        scripts = folder / "scripts"
        shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
        names = sorted(path.name for path in scripts.iterdir() if path.is_file())
        self.assertIn("kernel-setup", names)
        for name in names:
            subprocess.run([scripts / name, "--help"], env={}, stdout=subprocess.PIPE, check=True)
            self.assertEqual(list(scripts.rglob("__pycache__")), [], name)


if __name__ == "__main__":
    unittest.main()
