"""Run two cells in every kernel of the server on port 8888, and print what they print.

Usage: probe_kernels.py TOKEN. Speaks the server's REST API and the kernels' websockets:
https://jupyter-server.readthedocs.io/en/latest/developers/websocket-protocols.html
"""

import json
import sys
import urllib.request
import uuid

import websocket

SERVER = "127.0.0.1:8888"
CELLS = ("print(6 * 7)", "!pip --version")


def ask(path: str, token: str, body: dict[str, str] | None = None) -> dict:
    request = urllib.request.Request(
        f"http://{SERVER}/api/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"token {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def message(code: str) -> dict:
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "username": "",
        "session": uuid.uuid4().hex,
        "version": "5.3",
    }
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
    }


def run_cell(connection: websocket.WebSocket, code: str) -> str:
    request = message(code)
    connection.send(json.dumps(request))
    printed = ""
    while True:
        answer = json.loads(connection.recv())
        if answer.get("parent_header", {}).get("msg_id") != request["header"]["msg_id"]:
            continue
        if answer["msg_type"] == "stream":
            printed += answer["content"]["text"]
        if answer["msg_type"] == "error":
            raise SystemExit("\n".join(answer["content"]["traceback"]))
        if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
            return printed


def main(token: str) -> None:
    for name in ask("kernelspecs", token)["kernelspecs"]:
        kernel = ask("kernels", token, {"name": name})
        address = f"ws://{SERVER}/api/kernels/{kernel['id']}/channels"
        connection = websocket.create_connection(
            address, timeout=120, header=[f"Authorization: token {token}"]
        )
        for cell in CELLS:
            print(f"{name}: {run_cell(connection, cell).strip()}")


main(sys.argv[1])
