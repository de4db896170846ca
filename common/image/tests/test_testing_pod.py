"""The tester in a pod: what it finds out about the network, and how long it keeps results."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

from stand_in import SCRIPTS

sys.path.insert(0, str(SCRIPTS))

from platform_env.testing import pod


@contextlib.contextmanager
def listening(kind: int):
    with socket.socket(socket.AF_INET, kind) as served:
        served.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            served.listen()
        yield served, served.getsockname()[1]


def api(port: object) -> dict[str, str]:
    return dict(zip(pod.API, ("127.0.0.1", str(port)), strict=True))


class Network(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.conf = Path(folder.name, "resolv.conf")
        self.conf.write_text("# none\nnameserver\n")
        patch = mock.patch.object(pod, "RESOLV_CONF", self.conf)
        patch.start()
        self.addCleanup(patch.stop)

    def closed(self, variables: dict[str, str], patience: float = 0.0) -> bool:
        with mock.patch.dict(os.environ, variables, clear=True):
            return pod.is_closed(patience)

    def test_an_api_that_is_reached(self) -> None:
        with listening(socket.SOCK_STREAM) as (_, port):
            self.assertFalse(self.closed(api(port)))
        self.assertTrue(self.closed(api(port)))

    def test_a_network_of_which_nothing_is_known(self) -> None:
        for variables in ({}, api(""), api("x"), {pod.API[1]: "443"}):
            self.assertFalse(self.closed(variables), variables)
        self.conf.unlink()
        self.assertTrue(self.closed(api(1)))

    def test_a_name_server_that_answers(self) -> None:
        with listening(socket.SOCK_DGRAM) as (served, port):

            def answer() -> None:
                question, sender = served.recvfrom(512)
                served.sendto(question, sender)

            thread = threading.Thread(target=answer)
            thread.start()
            self.conf.write_text("nameserver 127.0.0.1\n")
            with mock.patch.object(pod, "DNS", port):
                self.assertFalse(self.closed(api(1)))
            thread.join()

    def test_a_network_that_closes_late(self) -> None:
        with listening(socket.SOCK_STREAM) as (served, port):
            thread = threading.Thread(target=lambda: (served.accept()[0].close(), served.close()))
            thread.start()
            self.assertTrue(self.closed(api(port), 3600.0))
            thread.join()


class Attended(unittest.TestCase):
    def start(self, results: Path, code: str, keep: float) -> subprocess.Popen[bytes]:
        script = (
            f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
            "from pathlib import Path\nfrom platform_env.testing import pod\n"
            f"sys.exit(pod.attended(lambda: {code}, Path({str(results)!r}), {keep}))"
        )
        return subprocess.Popen([sys.executable, "-c", script], env={"PATIENCE": "0.001"})

    def test_results_are_kept_until_the_pod_is_removed(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            results = Path(folder)
            results.chmod(0o777)
            process = self.start(results, "3", 3600)
            ended = results / "ended"
            while not (ended.exists() and ended.read_text()):
                self.assertIsNone(process.poll())
                time.sleep(0.05)
            self.assertEqual((results / "network").read_text(), "cluster")
            self.assertEqual((ended.read_text(), results.stat().st_mode & 0o777), ("3", 0o755))
            # The handler is set right after the file is written.
            while process.poll() is None:
                process.send_signal(signal.SIGTERM)
                time.sleep(0.05)

    def test_tests_that_break(self) -> None:
        for code, status in (
            ("1 / 0", "1"),
            ("__import__('os').kill(__import__('os').getpid(), 9)", "137"),
        ):
            with tempfile.TemporaryDirectory() as folder:
                self.assertEqual(self.start(Path(folder), code, 0).wait(), 0)
                self.assertEqual(Path(folder, "ended").read_text(), status)


if __name__ == "__main__":
    unittest.main()
