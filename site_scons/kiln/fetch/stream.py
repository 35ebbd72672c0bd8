# SPDX-License-Identifier: Apache-2.0
"""Download one address into a Part: resumed where it was cut, retried within bounds, stopped where the server lies.

Every kind of pin that comes over HTTP(S) comes through here, so resume, limits, redirects, tokens and messages are
the same for all. Proxies and certificates are those of the environment (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE,
CURL_CA_BUNDLE, SSL_CERT_FILE) unless the kind says otherwise.
"""

from __future__ import annotations

import http.client
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

from kiln import run
from kiln.errors import FetchError, one_line
from kiln.fetch.part import Part, Wrong, copy

if TYPE_CHECKING:
    import requests

LATER = (408, 425, 429, 500, 502, 503, 504)
REDIRECTS = 10
CHUNK = 1 << 17
_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")


class Unreachable(FetchError):
    """Nobody answers there: no network, no such name, connection refused."""


class _Again(Exception):
    """It may go better in a moment: after `after` seconds if the server says so; `gone` if nobody answered at all."""

    def __init__(self, why: str, after: float = 0.0, gone: bool = False) -> None:
        super().__init__(why)
        self.after, self.gone = after, gone


@dataclass(frozen=True)
class Pace:
    """How patient we are, in seconds: `tries` without a byte of progress, `most` in all; waits double from `first`."""

    tries: int = 5
    most: int = 100
    first: float = 0.5
    longest: float = 8.0
    connect: float = 15.0
    stall: float = 30.0
    after: float = 30.0                # the longest Retry-After that we follow


@dataclass(frozen=True)
class Remote:
    """One address and how it is asked. `token` goes to its first host only; empty settings mean the environment's."""

    url: str
    token: str = field(default="", repr=False)
    login: tuple[str, str] | None = field(default=None, repr=False)
    verify: str | bool = True
    certificate: str | None = None
    proxy: str = ""

    def __str__(self) -> str:
        return shown(self.url)


def download(remote: Remote, part: Part, pace: Pace = Pace()) -> None:
    """Fill the Part. Raises FetchError (Unreachable, Wrong) with the reason alone; the caller names the place."""
    if urlsplit(remote.url).scheme == "file":
        copy(Path(unquote(urlsplit(remote.url).path)), part)
        return
    resumed = part.offset > 0
    _fill(remote, part, pace)
    try:
        part.check()
    except Wrong:
        if not resumed:
            raise
        # Half of it came earlier, maybe from elsewhere, or was written by a machine that crashed: once more, whole.
        part.restart()
        _fill(remote, part, pace)
        part.check()


def front(remote: Remote, part: Part, pace: Pace = Pace()) -> None:
    """Fill the Part as far as `upto`; what has come is taken up by the download of the whole. Raises FetchError."""
    _fill(remote, part, pace)


def shown(url: str) -> str:
    """An address as it may be quoted: host and path, no user, no password, no query."""
    split = urlsplit(url)
    host = split.hostname or ""
    return one_line(f"{host}:{split.port}{split.path}" if split.port else f"{host}{split.path}", 200)


def _fill(remote: Remote, part: Part, pace: Pace) -> None:
    wait, left = pace.first, pace.tries
    for _ in range(pace.most):
        before = part.offset
        try:
            _ask(remote, part, pace)
            return
        except _Again as again:
            if part.offset > before:
                wait, left = pace.first, pace.tries
            left -= 2 if again.gone else 1  # an absent network is rarely back within seconds
            if left <= 0:
                raise Unreachable(str(again)) if again.gone else FetchError(f"{again}, {pace.tries} times") from again
            _pause(min(again.after, pace.after) or wait)
            wait = min(2 * wait, pace.longest)
    raise FetchError(f"was cut {pace.most} times")


def _pause(seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        run.go_on("a download waited")
        time.sleep(min(left, 0.2))


def _ask(remote: Remote, part: Part, pace: Pace) -> None:
    """One request; returns when the Part is full."""
    if part.done:
        return
    with _told(part), _session(remote) as session:
        headers = {"Accept-Encoding": "identity", **_resume(remote, part)}
        with _followed(session, remote, headers, pace) as answer:
            _accept(answer, remote, part)
            _read(answer, part, pace)


def _session(remote: Remote) -> requests.Session:
    import requests

    session = requests.Session()
    session.headers["User-Agent"] = "kiln"
    if remote.verify is False:
        import urllib3

        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # pip's trusted-host: the user said so
    return session


def _verify(remote: Remote) -> str | bool:
    if remote.verify is not True:
        return remote.verify
    # requests itself does not know SSL_CERT_FILE, which OpenSSL and most other clients follow.
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    return next((os.environ[name] for name in names if os.environ.get(name)), True)


def _resume(remote: Remote, part: Part) -> dict[str, str]:
    if not part.offset and not part.upto:
        return {}
    address, validator = part.tag
    asked = {"Range": f"bytes={part.offset}-{part.upto - 1 if part.upto else ''}"}
    return {**asked, "If-Range": validator} if validator and address == shown(remote.url) else asked


@contextmanager
def _followed(session: requests.Session, remote: Remote, headers: dict[str, str], pace: Pace) -> Iterator[requests.Response]:
    """The answer behind at most REDIRECTS redirects. The token goes to the origin that was asked first and to no other."""
    url, proxies = remote.url, {"http": remote.proxy, "https": remote.proxy} if remote.proxy else None
    for _ in range(REDIRECTS + 1):
        with session.get(url, headers=headers, auth=_login(remote, url), allow_redirects=False, stream=True, proxies=proxies,
                         verify=_verify(remote), cert=remote.certificate, timeout=(pace.connect, pace.stall)) as answer:
            if answer.status_code not in (301, 302, 303, 307, 308) or "location" not in answer.headers:
                yield answer
                return
            url = urljoin(url, answer.headers["location"])
        if urlsplit(url).scheme not in ("http", "https"):
            raise FetchError(f"redirects to {one_line(urlsplit(url).scheme, 20)!r}, which is not HTTP")
    raise FetchError(f"redirects more than {REDIRECTS} times")


def _login(remote: Remote, url: str) -> Any:
    """What proves who we are, at the first origin; elsewhere nothing (requests then looks into the user's netrc)."""
    if _origin(url) != _origin(remote.url):
        return None
    if remote.token:
        return lambda request: request.headers.__setitem__("Authorization", f"Bearer {remote.token}") or request
    return remote.login


def _origin(url: str) -> tuple[str, str, int]:
    split = urlsplit(url)
    return split.scheme, split.hostname or "", split.port or {"https": 443}.get(split.scheme, 80)


def _accept(answer: requests.Response, remote: Remote, part: Part) -> None:
    """Say what the answer's head means: go on, start over, wait, or no."""
    code = answer.status_code
    if code in LATER:
        raise _Again(_status(code), _seconds(answer.headers.get("Retry-After", "")))
    if code == 416 or (code == 206 and not _ours(answer, part)):
        part.restart()
        raise _Again("gives another range than was asked for")
    if code not in (200, 206):
        raise FetchError(_status(code), hint="set the token" if code in (401, 403) and not remote.token else "")
    if code == 200:
        if part.offset:
            part.restart()
        length = answer.headers.get("Content-Length", "")
        if length.isdigit():
            part.learn(int(length))
    part.remember(shown(remote.url), _validator(answer))


def _ours(answer: requests.Response, part: Part) -> bool:
    match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if match and match[3] != "*":
        part.learn(int(match[3]))
    return bool(match and int(match[1]) == part.offset)


def _validator(answer: requests.Response) -> str:
    etag: str = answer.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _read(answer: requests.Response, part: Part, pace: Pace) -> None:
    """The body, as sent: no decoding, so that the bytes are those that were pinned."""
    # read() waits for the whole chunk; a server that drips one byte a minute would hold us for ever.
    read = getattr(answer.raw, "read1", answer.raw.read)
    since, begun = part.offset, time.monotonic()
    while not (part.upto and part.done) and (piece := read(CHUNK)):
        part.write(piece)
        if time.monotonic() - begun > 2 * pace.stall:
            if part.offset - since < 1024 * pace.stall:
                raise _Again("is slower than 1 KiB/s")
            since, begun = part.offset, time.monotonic()
    if part.offset < part.size and not part.done:
        raise _Again(_cut(part))


@contextmanager
def _told(part: Part) -> Iterator[None]:
    """What requests and urllib3 raise, in our words: theirs quote the whole address, with whatever is in its query."""
    import requests.exceptions as of
    import urllib3.exceptions as below

    try:
        yield
    except of.SSLError as error:
        match = re.search(r"(certificate verify failed: [^(\"']{1,80})", str(error))
        why = match[1].strip() if match else "the TLS handshake failed"
        raise FetchError(why, hint="name the right certificates: REQUESTS_CA_BUNDLE=FILE") from None
    except of.ProxyError:
        raise _Again("the proxy cannot be reached", gone=True) from None
    except (of.ReadTimeout, below.ReadTimeoutError, TimeoutError):
        raise _Again("stalls") from None
    except of.ConnectionError as error:
        if "NameResolutionError" in repr(error):
            raise _Again("the name of that host is not known", gone=True) from None
        gone = isinstance(error, of.ConnectTimeout) or "NewConnectionError" in repr(error)
        raise _Again("cannot connect" if gone else _cut(part), gone=gone) from None
    except (of.ChunkedEncodingError, below.ProtocolError, below.DecodeError):
        raise _Again(_cut(part)) from None
    except (of.InvalidURL, of.InvalidSchema, of.MissingSchema, of.InvalidHeader, UnicodeError, below.LocationValueError):
        raise FetchError("is no address that we can ask") from None
    except of.RequestException as error:
        raise FetchError(type(error).__name__) from None


def _cut(part: Part) -> str:
    return f"cut the connection at {part.offset} of {part.size} bytes"


def _status(code: int) -> str:
    return f"{code} {http.client.responses.get(code, '')}".strip()


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() and len(text) < 6 else 0.0


def with_login(remote: Remote) -> Remote:
    """User and password in the address itself, taken out of it."""
    split = urlsplit(remote.url)
    if split.username is None:
        return remote
    bare = split._replace(netloc=split.netloc.rpartition("@")[2]).geturl()
    return replace(remote, url=bare, login=(unquote(split.username), unquote(split.password or "")))
