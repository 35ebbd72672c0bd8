# SPDX-License-Identifier: Apache-2.0
"""FAMILY: how a board is reached, one transport a file; the file's name is `board.transport` of a product.

A transport that can start a board has

    boot(product: Product, images: Images, means: Boot, *, logs: Path) -> context manager of Board

which gives the board as soon as it has power: whoever talks to it waits for the service, and calls `watch()` while it
waits. When the block ends the board is switched off, whatever happened. A transport that can write a board has

    MODE: str                                          how a person brings the board into the mode for it
    new_table(parameter: Path) -> tuple[str, ...]      how a person gives the board another partition table

and a class with the methods of flash.Writable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kiln.errors import BoardError
from kiln.results import BoardFacts, ServiceStatus


class Board(Protocol):
    """A running board. Everything that it says is from outside: bounded, and without terminal escapes when quoted.

    `url` is that of the service as seen from this machine, `up` tells that it is worth knocking there, `seconds()` is
    the time since power-on by our clock. `watch()` raises BoardError if the board is gone or its service does not
    stay up; `failure()` makes such an error with the last console lines and where the log lies.
    """

    @property
    def url(self) -> str: ...
    @property
    def up(self) -> bool: ...
    @property
    def facts(self) -> BoardFacts: ...
    def seconds(self) -> float: ...
    def watch(self) -> None: ...
    def failure(self, what: str) -> BoardError: ...
    def status(self, service: str) -> ServiceStatus: ...
    def run(self, argv: Sequence[str]) -> tuple[int, str]: ...
    def console_tail(self, lines: int) -> list[str]: ...
    def poweroff(self) -> None: ...
