# SPDX-License-Identifier: Apache-2.0
"""How far it is: a bar on a terminal, a plain line every few seconds elsewhere, nothing for what takes under a second.

The library itself shows nothing: it takes a `Progress`, a function that opens a counter, and calls what that yields.
`bar` shows, `silent` does not; `counted` turns ninja's `[n/m]` lines into updates.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

QUIET = 1.0      # seconds before anything is shown
EVERY = 5.0      # seconds between two plain lines
_NINJA = re.compile(r"^\[(\d{1,7})/(\d{1,7})\]")


class Update(Protocol):
    """Moves the counter on by `by` (back, where negative); `total` replaces the total where it became known or grew."""

    def __call__(self, by: int, total: int | None = None) -> None: ...


class Progress(Protocol):
    """Opens a counter: `total` in `unit` (B: bytes), 0 where unknown; `what` is two or three words."""

    def __call__(self, total: int, what: str, unit: str = "B") -> AbstractContextManager[Update]: ...


@contextmanager
def silent(total: int, what: str, unit: str = "B") -> Iterator[Update]:
    """Shows nothing."""
    yield lambda by, total=None: None


@contextmanager
def bar(total: int, what: str, unit: str = "B") -> Iterator[Update]:
    """Shows on stderr: a bar on a terminal, plain lines elsewhere."""
    shown = _bar if _wide() else _lines
    with shown(total, what, unit) as update:
        yield update


def counted(update: Update) -> Callable[[str], None]:
    """A function for the lines that ninja prints: each `[n/m]` becomes an update."""
    done = 0

    def line(text: str) -> None:
        nonlocal done
        if match := _NINJA.match(text):
            now = int(match[1])
            update(now - done, int(match[2]))
            done = now

    return line


def _wide() -> bool:
    """stderr is a terminal that has columns: a fresh pseudo-terminal says 0, and tqdm then shows nothing at all."""
    try:
        return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        return False


@contextmanager
def _bar(total: int, what: str, unit: str) -> Iterator[Update]:
    from tqdm import tqdm

    with tqdm(total=total or None, desc=what, unit=unit, unit_scale=unit == "B", unit_divisor=1024, delay=QUIET,
              leave=False, dynamic_ncols=True, file=sys.stderr) as shown:
        def update(by: int, total: int | None = None) -> None:
            if total is not None:
                shown.total = total
            shown.update(by)

        yield update


@contextmanager
def _lines(total: int, what: str, unit: str) -> Iterator[Update]:
    lines = Lines(total, what, unit, sys.stderr)
    yield lines
    lines.end()


class Lines:
    """A counter that writes one plain line every few seconds, and a last one if it wrote any."""

    def __init__(self, total: int, what: str, unit: str, out: TextIO, every: float = EVERY, quiet: float = QUIET) -> None:
        self.total, self.what, self.unit, self.out, self.every = total, what, unit, out, every
        self.done, self.began, self.told = 0, time.monotonic(), False
        self.next = self.began + quiet

    def __call__(self, by: int, total: int | None = None) -> None:
        self.done += by
        self.total = self.total if total is None else total
        now = time.monotonic()
        if now >= self.next:
            self.next, self.told = now + self.every, True
            self._tell(now)

    def end(self) -> None:
        """The last line: how much it was, and how long it took."""
        if self.told:
            spent = time.monotonic() - self.began
            self.out.write(f"kiln: {self.what}: {amount(self.done, self.unit)} in {spent:.0f} s\n")
            self.out.flush()

    def _tell(self, now: float) -> None:
        text = amount(self.done, self.unit)
        if self.total:
            text += f" of {amount(self.total, self.unit)} ({100 * self.done // self.total} %)"
        if self.unit == "B" and now > self.began:
            text += f", {amount(int(self.done / (now - self.began)), 'B')}/s"
        self.out.write(f"kiln: {self.what}: {text}\n")
        self.out.flush()


def amount(count: int, unit: str = "B") -> str:
    """A count as a person reads it: bytes in KiB, MiB, GiB; others with their unit."""
    if unit != "B":
        return f"{count} {unit}"
    size = float(count)
    for name in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {name}" if name == "B" or size >= 100 else f"{size:.1f} {name}"
        size /= 1024
    return f"{size:.1f} TiB"
