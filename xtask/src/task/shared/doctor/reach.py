"""Ask hosts for their answer and their time: one JSON line for each URL given.

A line has `status` and `time` (seconds since the epoch), or `error` and its `kind`: `tls`, `proxy`
or `network`. Variables of the environment name the proxies and the trusted certificates.
"""

import json
import ssl
import sys
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime

LIMIT = 10.0  # seconds


def ask(url: str) -> dict:
    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            return describe(answer.status, answer.headers)
    except urllib.error.HTTPError as error:
        return describe(error.code, error.headers)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return {"error": str(reason), "kind": kind(url, reason)}


def describe(status: int, headers) -> dict:
    date = headers.get("Date")
    return {"status": status, "time": date and parsedate_to_datetime(date).timestamp()}


def kind(url: str, reason: object) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "tls"
    return "proxy" if url.partition(":")[0] in urllib.request.getproxies() else "network"


for argument in sys.argv[1:]:
    print(json.dumps(ask(argument)), flush=True)
