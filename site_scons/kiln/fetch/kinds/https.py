# SPDX-License-Identifier: Apache-2.0
"""An address; with `token`, the value of that environment variable proves who we are to its host alone.

Plain http: works too, since the digest and not the transport says what is right; a token is never sent over it.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from kiln.errors import FetchError
from kiln.fetch import stream
from kiln.fetch.ask import Ask
from kiln.fetch.newer import Newer, Wish
from kiln.fetch.part import Part
from kiln.pin import Pin


def place(pin: Pin) -> str:
    """Host and path."""
    return stream.shown(pin.url)


def fetch(pin: Pin, part: Part, ask: Ask) -> None:
    """Download it."""
    stream.download(_remote(pin), part, ask.pace)


def front(pin: Pin, part: Part, ask: Ask) -> None:
    """Its first bytes alone, as many as the Part wants for now."""
    stream.front(_remote(pin), part, ask.pace)


def _remote(pin: Pin) -> stream.Remote:
    scheme, host = urlsplit(pin.url).scheme, urlsplit(pin.url).hostname
    if scheme not in ("https", "http") or not host:
        raise FetchError("its url is not an https: address")
    token = os.environ.get(pin.token, "") if pin.token else ""
    if token and scheme == "http" and host not in ("127.0.0.1", "::1", "localhost"):
        raise FetchError("has a token, which is not sent over plain http")
    return stream.with_login(stream.Remote(pin.url, token=token))


def newest(pin: Pin, wish: Wish, ask: Ask) -> Newer:
    """What is at the same address today: an address that moves (`main` of a model) is pinned anew."""
    return Newer(version=pin.version, file=pin.file)
