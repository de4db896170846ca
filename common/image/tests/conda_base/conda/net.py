"""Downloads, and conda's words for those that fail."""

import base64
import os
import ssl
import urllib.error
import urllib.request
from urllib.parse import unquote, urlsplit

from .channels import without_credentials
from .errors import CondaError, fail

CHANNEL_PROBLEM = "UnavailableInvalidChannel"


class HttpError(CondaError):
    """A server's refusal."""

    def __init__(self, url: str, code: int, reason: str) -> None:
        shown = without_credentials(url)
        super().__init__("CondaHTTPError", f"HTTP {code} {reason.upper()} for url <{shown}>")
        self.code = code


def download(url: str, ssl_verify: str | bool) -> bytes:
    """Returns the content of a URL; credentials in it are sent as basic authentication."""
    parts = urlsplit(url)
    auth, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl())
    if auth:
        encoded = base64.b64encode(unquote(auth).encode()).decode()
        request.add_header("Authorization", f"Basic {encoded}")
    try:
        with urllib.request.urlopen(request, context=_trust(ssl_verify), timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise HttpError(url, error.code, str(error.reason)) from error
    except OSError as error:
        shown = without_credentials(url)
        fail("CondaHTTPError", f"HTTP 000 CONNECTION FAILED for url <{shown}>\n{error}")


def _trust(ssl_verify: str | bool) -> ssl.SSLContext:
    if ssl_verify is False:
        return ssl._create_unverified_context()
    bundle = ssl_verify if isinstance(ssl_verify, str) else os.environ.get("REQUESTS_CA_BUNDLE")
    return ssl.create_default_context(cafile=bundle or None)
