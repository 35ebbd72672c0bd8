# SPDX-License-Identifier: Apache-2.0
"""The first bytes of a pin: asked for by a range, taken up by the whole download, had from wherever the whole lies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest

import faulty
from faulty import SOON
from kiln import fetch
from kiln.errors import FetchError
from kiln.fetch.front import front
from kiln.pin import Pin

Make = Callable[..., Pin]
SOME = 300_000


@pytest.mark.parametrize("size", [None, 0])
def test_only_the_front_is_asked_for_and_the_rest_comes_later(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes, size: int | None) -> None:
    pin = pinned(url=server.url(), **({} if size is None else {"size": size}))
    begun = front(pin, cache, SOME, pace=SOON)
    assert begun and begun.path.read_bytes() == body[:SOME] and begun.size == len(body)
    assert server.asked[0][1]["Range"] == f"bytes=0-{SOME - 1}" and server.sent == SOME
    more = front(pin, cache, 2 * SOME, pace=SOON)
    assert more and more.path.read_bytes() == body[:2 * SOME] and server.sent == 2 * SOME
    assert front(pin, cache, SOME, pace=SOON) == more and len(server.asked) == 2, "it is here already"
    assert fetch.get(pin, cache, pace=SOON).path.read_bytes() == body and server.sent == len(body), "each byte was sent once"
    assert front(pin, cache, SOME, pace=SOON) == more.__class__(fetch.get(pin, cache, pace=SOON).path, len(body))


def test_a_front_that_is_cut_goes_on(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    server.cuts = deque([1000, 70_000])
    begun = front(pinned(url=server.url()), cache, SOME, pace=SOON)
    assert begun and begun.path.read_bytes() == body[:SOME] and server.sent == SOME


def test_a_server_without_ranges_is_left_early(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    server.ranges = False
    begun = front(pinned(url=server.url()), cache, SOME, pace=SOON)
    assert begun and begun.path.read_bytes()[:SOME] == body[:SOME] and begun.path.stat().st_size < SOME + (1 << 18)


def test_a_short_file_ends_before_its_front(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    begun = front(pinned(url=server.url()), cache, 1 << 30, pace=SOON)
    assert begun and begun.path.read_bytes() == body and begun.size == len(body)


def test_another_size_than_the_pinned_one_is_told(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    with pytest.raises(FetchError, match=f"thing: is .* {len(body) + 1} bytes are pinned"):
        front(pinned(url=server.url(), size=len(body) + 1), cache, SOME, pace=SOON)


def test_offline_and_other_kinds_have_no_front(server: faulty.Faulty, pinned: Make, cache: Path) -> None:
    assert front(pinned(url=server.url()), cache, SOME, offline=True) is None
    assert front(pinned(kind="pypi", name="x"), cache, SOME) is None
    assert not server.asked


def test_nobody_there_is_one_line(pinned: Make, cache: Path) -> None:
    with pytest.raises(FetchError) as caught:
        front(pinned(url="http://127.0.0.1:1/x"), cache, SOME, pace=SOON)
    assert str(caught.value) == "thing: cannot connect; check the connection and HTTPS_PROXY; or give model=PATH of it"
