"""test-notebooks: real kernels, and notebooks that go wrong in every way."""

import json
import signal
import time
import unittest

from stand_in import Installation, notebook

ENDLESS = "while True:\n    pass"

TESTS = {
    "good.ipynb": notebook("print('done')"),
    "with space.ipynb": notebook("1 + 1"),
    "deep/data.ipynb": notebook("assert open('numbers.txt').read() == '1 2 3'"),
    "deep/numbers.txt": "1 2 3",
    "deep/good.ipynb": notebook("print('the other one')"),
    "raises.ipynb": notebook("x = 1", "print('before')\n1 / 0", "print('never')"),
    "loops.ipynb": notebook("print('partial')", ENDLESS, execution={"timeout": 10}),
    "kernel-dies.ipynb": notebook("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
    "expects-an-error.ipynb": json.dumps(
        json.loads(notebook("1 / 0"))
        | {
            "cells": [
                json.loads(notebook("1 / 0"))["cells"][0]
                | {"metadata": {"tags": ["raises-exception"]}}
            ]
        }
    ),
    "broken.ipynb": "{",
    "no-cells.ipynb": json.dumps({"metadata": {}, "nbformat": 4, "nbformat_minor": 5}),
    "other-kernel.ipynb": json.dumps(
        json.loads(notebook("1")) | {"metadata": {"kernelspec": {"name": "gone"}}}
    ),
    "limit.ipynb": notebook("1", execution={"timeout": "long"}),
}


class Notebooks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = Installation()
        cls.addClassCleanup(cls.made.remove)
        cls.tests = cls.made.add("sky", {f"tests/{name}": TESTS[name] for name in TESTS}) / "tests"
        cls.made.run("kernel-setup")
        # A kernel in the home would come first; a hub's users do not have it.
        stale = cls.made.home / ".local/share/jupyter/kernels/sky"
        stale.mkdir(parents=True)
        spec = {"argv": ["/bin/false"], "display_name": "stale", "language": "python"}
        (stale / "kernel.json").write_text(json.dumps(spec))
        link = cls.tests / "link.ipynb"
        link.symlink_to("good.ipynb")
        cls.done = cls.made.run("test-notebooks", "sky", "*.ipynb", "good.ipynb", "deep/*.ipynb")
        cls.kept = {
            str(path.relative_to(cls.made.results / "notebooks/sky"))
            for path in cls.made.results.rglob("*.ipynb")
        }
        cls.executed = {
            name: cls.made.executed("sky", name) for name in ("good.ipynb", "deep/good.ipynb")
        }
        cls.failed = {
            name: cls.made.executed("sky", name)["cells"]
            for name in ("raises.ipynb", "loops.ipynb", "kernel-dies.ipynb")
        }

    def outputs(self, cells, number):
        return [output["output_type"] for output in cells[number]["outputs"]]

    def test_outcomes(self):
        failed = [
            *("broken", "kernel-dies", "limit", "loops", "no-cells", "other-kernel", "raises"),
        ]
        passed = ["deep/data", "deep/good", "expects-an-error", "good", "with space"]
        self.assertEqual(self.done.status, 1)
        self.assertEqual(self.done.names("failed"), [f"notebook {it}.ipynb" for it in failed])
        self.assertEqual(self.done.names("passed"), [f"notebook {it}.ipynb" for it in passed])

    def test_output_overwritten(self):
        """Every executed notebook is kept under its own name, failed ones too."""
        not_run = {"broken.ipynb", "limit.ipynb", "no-cells.ipynb", "other-kernel.ipynb"}
        names = set(TESTS) - {"deep/numbers.txt", *not_run}
        self.assertEqual(self.kept, names)
        texts = [it["cells"][0]["outputs"][0]["text"] for it in self.executed.values()]
        self.assertEqual(["".join(text) for text in texts], ["done\n", "the other one\n"])
        raises = self.failed["raises.ipynb"]
        self.assertEqual(self.outputs(raises, 1), ["stream", "error"])
        self.assertEqual(self.outputs(raises, 2), [])

    def test_timeout_loses_all(self):
        """A time-out is one failure, and keeps what the notebook did before."""
        self.assertEqual(len(self.done.recorded), 12)
        loops = self.failed["loops.ipynb"]
        self.assertEqual(self.outputs(loops, 0), ["stream"])
        self.assertEqual(loops[1]["outputs"][-1]["ename"], "Timeout")
        message = self.done.message("loops.ipynb")
        self.assertIn("in cell [2]:\n    while True:", message)
        self.assertIn("not done after 10 s: stopped", message)

    def test_wrong_cwd(self):
        """A notebook finds the files beside it."""
        self.assertIn("notebook deep/data.ipynb", self.done.names("passed"))

    def test_run_twice(self):
        """Named by several globs, by its path and by a link, a notebook runs once."""
        names = [result["name"] for result in self.done.recorded]
        self.assertEqual(names.count("good.ipynb"), 1)
        self.assertNotIn("link.ipynb", names)

    def test_dead_kernel_is_one_failure(self):
        message = self.done.message("kernel-dies.ipynb")
        self.assertIn("the kernel died: killed by SIGKILL (out of memory?)", message)
        self.assertEqual(self.outputs(self.failed["kernel-dies.ipynb"], 0), ["error"])

    def test_message_shows_the_cell_and_the_end_of_the_traceback(self):
        message = self.done.message("raises.ipynb")
        self.assertIn("in cell [2]:\n    print('before')\n    1 / 0\n", message)
        self.assertTrue(message.endswith("ZeroDivisionError: division by zero"), message)
        self.assertNotIn("\x1b", message)

    def test_what_is_no_notebook_is_told(self):
        """In the words of `cargo xtask check`."""
        whole = "open and save it in JupyterLab, or restore it from git"
        for name, message in {
            "broken.ipynb": f"1: not a valid notebook: invalid JSON; {whole}",
            "no-cells.ipynb": f"1: missing list `cells`; {whole}",
            "other-kernel.ipynb": "1: unknown kernel `gone`; "
            "choose one of these in JupyterLab: python3, sky",
            "limit.ipynb": '1: `"long"` is not a time limit; '
            "write a number of seconds, or -1 for no limit, as execution.timeout",
        }.items():
            self.assertEqual(self.done.message(name), f"{self.tests / name}:{message}")

    def test_again_names_the_path_quoted(self):
        done = self.made.run("test-notebooks", "sky", "no such.ipynb")
        self.assertEqual(done.status, 1)
        self.assertEqual(done.names("failed"), ["notebook no such.ipynb"])
        self.assertIn("no notebook is there", done.message("no such.ipynb"))

    def test_notebook_elsewhere_is_kept_by_its_path(self):
        path = self.made.root / "elsewhere.ipynb"
        path.write_text(notebook("1"))
        done = self.made.run("test-notebooks", "sky", "elsewhere.ipynb")
        self.assertEqual(done.names("passed"), [f"notebook {path}"])
        self.assertTrue(self.made.executed("sky", str(path).lstrip("/")))

    def test_kernel_that_does_not_start(self):
        spec = self.made.conda / "share/jupyter/kernels/sky/kernel.json"
        text = spec.read_text()
        self.addCleanup(spec.write_text, text)
        broken = json.loads(text)
        broken["argv"] = ["/bin/sh", "-c", "echo a library is missing >&2; exit 3"]
        spec.write_text(json.dumps(broken))
        done = self.made.run("test-notebooks", "sky", "good.ipynb")
        self.assertEqual(done.names("failed"), ["notebook good.ipynb"])
        self.assertIn("a library is missing", done.message("good.ipynb"))

    def test_killed_runner_is_one_failure(self):
        """As when memory runs out: the others go on."""
        (self.tests / "deep/kills.ipynb").write_text(
            notebook("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)")
        )
        self.addCleanup((self.tests / "deep/kills.ipynb").unlink)
        done = self.made.run("test-notebooks", "sky", "deep/kills.ipynb", "good.ipynb")
        self.assertEqual(done.names("failed"), ["notebook deep/kills.ipynb"])
        self.assertEqual(done.names("passed"), ["notebook good.ipynb"])
        self.assertIn("killed by SIGKILL", done.message("deep/kills.ipynb"))

    def test_interrupted_keeps_what_was_done(self):
        (self.tests / "deep/sleeps.ipynb").write_text(
            notebook("import os, time\nopen('pid', 'w').write(str(os.getpid()))", ENDLESS)
        )
        self.addCleanup((self.tests / "deep/sleeps.ipynb").unlink)
        pid = self.tests / "deep/pid"
        self.addCleanup(pid.unlink)
        arguments = ("test-notebooks", "sky", "--jobs", "1", "good.ipynb", "deep/sleeps.ipynb")
        process = self.made.start(*arguments)
        wait_for(lambda: pid.exists() and pid.read_text())
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, stderr)
        self.assertIn("1 passed, 0 failed", stdout)
        self.assertIn("interrupted", stderr)
        wait_for(lambda: ended(int(pid.read_text())))


def wait_for(condition):
    """Waits until a condition holds, which must be soon."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def ended(pid):
    """Returns whether a process is gone, or only waits for its parent to notice."""
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 -- not a file
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


class KernelStart(unittest.TestCase):
    def test_a_notebook_s_limit_begins_after_its_kernel_s_start(self):
        made = Installation()
        self.addCleanup(made.remove)
        cell = "import time\ntime.sleep(1)"
        made.add("sky", {"tests/a.ipynb": notebook(cell, execution={"timeout": 4})})
        launcher = "import time\n\nfrom ipykernel.kernelapp import launch_new_instance\n\n"
        made.add_module(
            "sky", "ipykernel_launcher", f"{launcher}time.sleep(8)\nlaunch_new_instance()"
        )
        made.run("kernel-setup")
        done = made.run("test-notebooks", "sky", "a.ipynb")
        self.assertEqual(done.names("failed"), [], done.message("a.ipynb"))


if __name__ == "__main__":
    unittest.main()
