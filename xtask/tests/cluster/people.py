"""Starts or stops the server of a user, as the service `people` of a deployed hub.

Sent to `python3 -` in the hub's pod:

    people.py start|stop USER
"""

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

SECRET = Path("/usr/local/etc/jupyterhub/secret")
LIMIT = 240


def ask(method, path):
    token = (SECRET / "hub.services.people.apiToken").read_text().strip()
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:8081/hub/api/{path}", b"{}", headers)
    request.method = method
    if method == "GET":
        request.data = None
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or b"{}")


def start(user):
    try:
        ask("POST", f"users/{user}")
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise
    ask("POST", f"users/{user}/server")
    return lambda: ask("GET", f"users/{user}")["servers"].get("", {}).get("ready")


def stop(user):
    ask("DELETE", f"users/{user}/server")
    return lambda: not ask("GET", f"users/{user}")["servers"]


def main(command, user):
    is_done = {"start": start, "stop": stop}[command](user)
    end = time.monotonic() + LIMIT
    while not is_done():
        if time.monotonic() > end:
            sys.exit(f"{command} {user}: not done after {LIMIT} s")
        time.sleep(0.5)


main(*sys.argv[1:])
