# SPDX-License-Identifier: Apache-2.0
"""FAMILY: how a board is reached, one transport a file; the file's name is `board.transport` of a product.

A transport that can start a board has

    boot(product: Product, images: Images, means: Boot, *, logs: Path) -> context manager of Board

which gives the board as soon as it has power: whoever talks to it waits for the service, and calls `watch()` while it
waits. When the block ends the board is switched off, whatever happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kiln.errors import BoardError


@dataclass(frozen=True)
class Facts:
    """What the card says about the machine and the board."""

    kind: str
    serial: str
    cpu: str
    cores: int
    kvm: bool
    qemu: str


@dataclass(frozen=True)
class ServiceStatus:
    """A service as the board's init sees it; memory in bytes, `peak` is the most that it ever held."""

    state: str
    pid: int
    exits: int
    last: str
    resident: int
    peak: int


class Board(Protocol):
    """A running board. Everything that it says is from outside: bounded, and without terminal escapes when quoted."""

    @property
    def url(self) -> str: ...          # of the service, as seen from this machine
    @property
    def facts(self) -> Facts: ...
    def seconds(self) -> float: ...    # since power-on, by our clock
    def watch(self) -> None: ...       # raises BoardError if it is gone or its service does not stay up
    def failure(self, what: str) -> BoardError: ...   # an error with the last console lines and where the log lies
    def status(self, service: str) -> ServiceStatus: ...
    def run(self, argv: Sequence[str]) -> tuple[int, str]: ...
    def console_tail(self, lines: int) -> list[str]: ...
    def poweroff(self) -> None: ...    # orderly: services stopped, disks unmounted
