# SPDX-License-Identifier: Apache-2.0
"""What the tests of fetching share: a body, a pin of it, a server that misbehaves, a patience of milliseconds."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import faulty
from kiln.pin import Pin

@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine between the tests and their own servers."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def body() -> bytes:
    """Three MiB, a little over, that no two offsets of it are alike."""
    return random.Random(7).randbytes((3 << 20) + 17)


@pytest.fixture
def server(body: bytes) -> Iterator[faulty.Faulty]:
    """A server that has the body as /file."""
    with faulty.serving(files={"/file": body}) as serving:
        yield serving


@pytest.fixture
def pinned(body: bytes) -> Callable[..., Pin]:
    """A pin of the body; keywords change it."""
    def make(**changes: Any) -> Pin:
        given = {"kind": "https", "version": "1", "file": "a.bin", "licence": "MIT", "size": len(body),
                 "sha256": hashlib.sha256(body).hexdigest(), "pin": "thing", **changes}
        return Pin(**given)

    return make


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache."""
    return tmp_path / "cache"
