# SPDX-License-Identifier: Apache-2.0
"""FAMILY: how a board is reached, one transport a file; the file's name is `board.transport` of a product.

A transport that can reach a running board, or start one, has a context manager that gives a Board: `boot()` of virt gives
it as soon as it has power, so whoever talks to it waits for the service, and calls `watch()` while it waits; when the
block ends what was started is switched off, whatever happened. A transport that can write a board has

    MODE: str                                          how a person brings the board into the mode for it
    new_table(parameter: Path) -> tuple[str, ...]      how a person gives the board another partition table

and a class with the methods of flash.Writable. Files whose names begin with `_` are no members.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kiln.errors import BoardError
from kiln.results import BoardFacts, ServiceStatus

SCRATCH = "/data/local/tmp"            # a folder of every board in which a program can be put and run


class Board(Protocol):
    """A running board. Everything that it says is from outside: bounded, and without terminal escapes when quoted.

    `url` is that of the service as seen from this machine, `up` tells that it is worth knocking there. `seconds()` is the
    time since power-on by our clock; of a board that ran before we came, since we came. `watch()` raises BoardError if the
    board is gone or its service does not stay up; `failure()` makes such an error with the board's last words and where
    the log lies. Every method may raise BoardError.
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
    def console_tail(self, lines: int) -> list[str]: ...

    def status(self, service: str) -> ServiceStatus:
        """A service as the board's init sees it."""

    def send(self, file: Path, dest: str, mode: int = 0o755) -> None:
        """A file onto the board, whole or not at all; folders on the way to the absolute path `dest` are made."""

    def run(self, argv: Sequence[str], timeout: float = 120) -> tuple[int, str]:
        """Run a program as root, in /: its true exit code (128 + signal; 127: not there), and stdout and stderr together.

        Leading NAME=VALUE words go into its environment. At most 1 MiB of output is kept; raw, so quote it with one_line().
        Ended with BoardError after `timeout` seconds. What it leaves running in the background goes on.
        """

    def forward(self, port: int) -> int:
        """A port of 127.0.0.1 on this machine that leads to 127.0.0.1:`port` on the board, as long as we hold the board."""

    def reboot(self) -> None:
        """Start the board anew; returns when it runs again, with the clock of `seconds()` at that start."""

    def poweroff(self) -> None:
        """Switch off, in order, a board that we switched on; one that ran before we came stays on. Twice is no error."""
