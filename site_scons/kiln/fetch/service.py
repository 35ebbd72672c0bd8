# SPDX-License-Identifier: Apache-2.0
"""Ask a service that answers JSON: bounded in bytes and time, retried as its like resets connections, told in our words."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from kiln.errors import FetchError, one_line
from kiln.fetch.stream import LATER, Pace, Unreachable, shown

LARGEST = 16 << 20
PATIENCE = 60.0                        # seconds for one whole answer
_HTML = re.compile(r"\s*<(?:!doctype|html|head|body|\?xml)", re.I)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.I | re.S)


class _Again(Exception):
    """It may go better in a moment."""


def ask(url: str, question: dict[str, Any], pace: Pace = Pace(), patience: float = PATIENCE) -> Any:
    """The JSON that a POST of `question` is answered with. Raises FetchError (Unreachable if nobody is there)."""
    wait = pace.first
    for left in reversed(range(pace.tries)):
        try:
            return _parsed(_asked(url, question, pace, patience), shown(url))
        except _Again as again:
            if not left:
                raise FetchError(f"{shown(url)} {again}, {pace.tries} times", hint="try again later") from None
            time.sleep(wait)
            wait = min(2 * wait, pace.longest)
    raise AssertionError


def _asked(url: str, question: dict[str, Any], pace: Pace, patience: float) -> bytes:
    import requests
    import requests.exceptions as of
    import urllib3.exceptions as below

    try:
        # Redirects are not followed: a POST becomes a GET on the way, and the page that comes says nothing.
        with requests.post(url, json=question, headers={"Accept": "application/json", "User-Agent": "kiln"}, stream=True,
                           allow_redirects=False, timeout=(pace.connect, pace.stall)) as answer:
            _status(answer, shown(url))
            return _body(answer, shown(url), patience)
    except of.SSLError:
        raise FetchError(f"{shown(url)}: the TLS handshake failed", hint="name the right certificates: REQUESTS_CA_BUNDLE=FILE") from None
    except (of.ConnectTimeout, of.ProxyError) as error:
        raise Unreachable(f"{shown(url)} cannot be reached") from error
    except of.ConnectionError as error:
        if "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error):
            raise Unreachable(f"{shown(url)} cannot be reached", hint="check the connection and HTTPS_PROXY") from None
        raise _Again("cuts the connection") from None
    except (of.Timeout, TimeoutError, below.TimeoutError):
        raise _Again("stalls") from None
    except (of.ChunkedEncodingError, of.ContentDecodingError, below.HTTPError):
        raise _Again("cuts the connection") from None
    except (of.RequestException, UnicodeError) as error:
        raise FetchError(f"{shown(url)} is no address that we can ask: {type(error).__name__}") from None


def _status(answer: Any, place: str) -> None:
    code = answer.status_code
    if code in LATER:
        raise _Again(f"answers {code}")
    if code != 200:
        raise FetchError(f"{place} answers {code} where a list was expected", hint="has the service moved? its address is `service` of the pin's file")


def _body(answer: Any, place: str, patience: float) -> bytes:
    until, body = time.monotonic() + patience, bytearray()
    read = getattr(answer.raw, "read1", answer.raw.read)
    while piece := read(1 << 16, decode_content=True):
        body += piece
        if len(body) > LARGEST:
            raise FetchError(f"{place} answers with more than {LARGEST >> 20} MiB", hint="ask for one day: date=YYYYMMDD")
        if time.monotonic() > until:
            raise FetchError(f"{place} has not finished its answer after {patience:.0f} seconds", hint="try again later")
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and not answer.headers.get("Content-Encoding") and len(body) < int(length):
        raise _Again(f"cuts its answer at {len(body)} of {int(length)} bytes")
    return bytes(body)


def _parsed(body: bytes, place: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        text = body[:4000].decode(errors="replace")
        title = _TITLE.search(text)
        said = one_line(title[1] if title else text, 100)
        what = "HTML" if _HTML.match(text) else "something else"
        raise FetchError(f"{place} answers with {what} where JSON was expected: {said!r}",
                         hint="is there a login page or a proxy in between? mirror=DIR of a bundle needs no service") from None
