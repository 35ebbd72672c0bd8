# SPDX-License-Identifier: Apache-2.0
"""What the tests of the judge share: servers that end with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from judge.served import Played, Reply


@pytest.fixture
def play() -> Iterator[Callable[[Reply], Played]]:
    """play(reply) -> a running server."""
    running: list[Played] = []

    def begin(reply: Reply) -> Played:
        running.append(Played(reply))
        return running[-1]

    yield begin
    for one in running:
        one.server.shutdown()
        one.server.server_close()
