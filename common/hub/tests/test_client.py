"""Settings of the client of smoke tests in the pod of a deployed hub."""

import asyncio
import contextlib
import importlib.util
import io
import json
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

SCRIPT = Path(__file__).parents[1] / "local/client.py"
TOKEN = "hub.services.xtask-smoke.apiToken"

# The hub's packages; the settings need neither, since JSON is YAML.
YAML = types.SimpleNamespace(safe_load=json.loads)


def load(folder):
    with mock.patch.dict(sys.modules, {"aiohttp": types.ModuleType("aiohttp")}):
        spec = importlib.util.spec_from_file_location("client", SCRIPT)
        client = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(client)
    client.LOCAL, client.CHART = folder / "settings.json", folder
    return client


class Settings(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for it in ("secret", "existing-secret"):
            (self.folder / it).mkdir()
        (self.folder / "secret" / TOKEN).write_text("of the chart\n")
        self.client = load(self.folder)

    def of(self, **values):
        (self.folder / "secret/values.yaml").write_text(json.dumps(values))
        with mock.patch.dict(sys.modules, {"yaml": YAML}):
            return self.client._settings()

    def test_of_a_chart(self):
        told = self.of(hub={"baseUrl": "/science/"}, singleuser={"startTimeout": 60})
        self.assertEqual(told["hub_url"], "http://127.0.0.1:8081/science/")
        self.assertEqual(told["proxy_url"], "http://proxy-public/science/")
        self.assertEqual((told["smoke_token"], told["start_timeout"]), ("of the chart", 60))
        self.assertTrue(told["keeps_home"])
        (self.folder / "existing-secret" / TOKEN).write_text("own")
        told = self.of(singleuser={"startTimeout": None, "storage": {"type": "none"}})
        self.assertEqual((told["smoke_token"], told["start_timeout"]), ("own", 300))
        self.assertFalse(told["keeps_home"])

    def test_addresses_of_proxies(self):
        for https, url in (
            ({"enabled": False, "type": "letsencrypt"}, "http://proxy-public/"),
            ({"enabled": True, "type": "offload"}, "http://proxy-public/"),
            ({"enabled": True, "type": "letsencrypt"}, "http://proxy-http:8000/"),
            ({"enabled": True, "type": "secret"}, "https://proxy-public/"),
        ):
            self.assertEqual(self.of(proxy={"https": https})["proxy_url"], url)

    def test_of_this_machine(self):
        self.client.LOCAL.write_text(json.dumps({"base_url": "/x/", "smoke_user": "u"}))
        told = self.client._settings()
        self.assertEqual(told["hub_url"], "http://127.0.0.1:8000/x/")
        self.assertEqual((told["proxy_url"], told["smoke_user"]), (told["hub_url"], "u"))

    def test_a_hub_without_the_service(self):
        (self.folder / "secret" / TOKEN).unlink()
        (self.folder / "secret/values.yaml").write_text("{}")
        with (
            mock.patch.dict(sys.modules, {"yaml": YAML}),
            contextlib.redirect_stdout(io.StringIO()) as out,
        ):
            self.assertEqual(asyncio.run(self.client.main("smoke")), 1)
        error = json.loads(out.getvalue())["error"]
        self.assertEqual(error, "the hub has no token `hub.services.xtask-smoke.apiToken`")


if __name__ == "__main__":
    unittest.main()
