#!/usr/bin/env python3
"""Serves git repositories over HTTP on loopback, by `git http-backend`; prints its port.

Usage: http_backend.py ROOT [--read-only] [--log FILE]

With a log it wants credentials, takes any, and writes a line `user:password` for each request.
As a proxy it serves every host alike.
"""

import argparse
import base64
import http.server
import os
import pathlib
import subprocess
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    options = None

    def log_message(self, *args):
        """Be silent."""

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def has_credentials(self):
        given = self.headers.get("Authorization", "")
        if not given.startswith("Basic "):
            return False
        with pathlib.Path(self.options.log).open("ab") as log:
            log.write(base64.b64decode(given.removeprefix("Basic ")) + b"\n")
        return True

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def serve(self):
        body = self.body()
        url = urllib.parse.urlsplit(self.path)
        if self.options.log and not self.has_credentials():
            self.answer(401, headers=[("WWW-Authenticate", 'Basic realm="test"')])
            return
        if self.options.read_only and "git-receive-pack" in self.path:
            self.answer(403)
            return
        environment = os.environ | {
            "GIT_PROJECT_ROOT": self.options.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "test",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        command = ["git", "http-backend"]
        result = subprocess.run(
            command, input=body, env=environment, stdout=subprocess.PIPE, check=True
        )
        head, _, content = result.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((value for name, value in headers if name == "Status"), "200")
        others = [(name, value) for name, value in headers if name != "Status"]
        self.answer(int(status.split()[0]), content, others)

    do_GET = serve
    do_POST = serve


def main():
    parser = argparse.ArgumentParser(description="Serve git repositories over HTTP.")
    parser.add_argument("root")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--log")
    Handler.options = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
