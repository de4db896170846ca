"""Prints the group of the engine's socket, and the id of the engine that answers there.

Runs as root in a container that is removed afterwards; the question is the hub's user's, in that
group, as the hub will ask.
"""

import http.client
import json
import os
import socket
import stat
import sys
from pathlib import Path

SOCKET = "/var/run/docker.sock"
USER, GROUP = 1000, 100


def main():
    found = Path(SOCKET).stat()
    if not stat.S_ISSOCK(found.st_mode):
        sys.exit("not a socket")
    group = found.st_gid
    os.setgroups([group])
    os.setgid(GROUP)
    os.setuid(USER)
    connection = http.client.HTTPConnection("localhost", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(20)
    connection.sock.connect(SOCKET)
    connection.request("GET", "/info")
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"status {answer.status}")
    info = json.loads(text)
    engine = f"{info.get('ID', '')} {info.get('DockerRootDir', '')}"
    print(json.dumps({"group": group, "engine": engine}))


try:
    main()
except OSError as error:
    sys.exit(error.strerror or str(error))
