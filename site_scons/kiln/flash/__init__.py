# SPDX-License-Identifier: Apache-2.0
"""The flash room: a plan is checked against the files and the board's own table, written in order, compared, and the board reset."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kiln import run
from kiln.errors import BoardError, KilnError, Refused
from kiln.flash import held
from kiln.flash.plan import WRITTEN, Plan, Write
from kiln.progress import Progress, Update, silent
from kiln.results import MODEL, SECTOR, Written

PIECE = 16384                          # sectors: 8 MiB are read back at once
_UNREAD = b"\xcc" * SECTOR


class Writable(Protocol):
    """A board that can be written (boards/rockusb.py). Each method but write() raises BoardError."""

    def ready(self) -> None: ...
    def table(self) -> tuple[tuple[str, int], ...]: ...
    def write(self, name: str, file: Path, moved: Callable[[int], None]) -> Written: ...
    def read(self, start: int, sectors: int, into: Path) -> bytes: ...
    def reset(self) -> bool: ...


@dataclass(frozen=True)
class Done:
    """What flash() did: partitions compared byte for byte, those that the loader does not let be read, and the reset."""

    compared: tuple[str, ...]
    unread: tuple[str, ...]
    reset: bool

    @property
    def lines(self) -> tuple[str, ...]:
        """For a person."""
        unread = (f"unproven {', '.join(self.unread)}: this loader does not let them be read; their proof is a board that starts",)
        return (f"compared {', '.join(self.compared) or 'nothing'}", *(unread if self.unread else ()),
                "reset    the first start after userdata was written may take 10 minutes" if self.reset
                else "reset    not confirmed by the board: press RESET")


def flash(plan: Plan, board: Writable, *, scratch: Path, progress: Progress = silent) -> Done:
    """Check, write, compare, reset. Raises BoardError in one line that says what the board holds now.

    The table is asked for again before each write; a file that changed since it was checked is not written.
    """
    try:
        ready(plan, board, scratch)    # a person learns in a second, not after 4 GB were hashed, what the board lacks
    except KilnError as error:
        raise _stopped(plan, 0, error) from error
    with progress(plan.size, "check images") as update:
        marks = [_checked(one, update) for one in plan.writes]
    with progress(plan.size, "flash") as update:
        for number, one in enumerate(plan.writes):
            try:
                match(plan, board.table())
                _unchanged(one, marks[number])
                done = _write(plan, one, board, update)
            except KilnError as error:
                raise _stopped(plan, number, error) from error
            if done.why:
                raise BoardError(f"partition {one.name} is half written ({done.percent} % told): {done.why}", hint=plan.again)
            if _marks(one.file) != marks[number]:
                raise BoardError(f"partition {one.name} may hold anything: its file changed while it was written", hint=plan.again)
    compared, unread = compare(plan, board, scratch, progress)
    return Done(compared, unread, board.reset())


def ready(plan: Plan, board: Writable, scratch: Path) -> None:
    """Raise BoardError unless the board can take the plan: its mode, its table by the tool, and each image's room by the table on its disk."""
    board.ready()
    match(plan, board.table())
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        there = held.rows(board.read(held.FIRST, held.SECTORS, Path(folder) / "sectors"))
    for one in plan.writes:
        first, last = there.get(one.name, (0, 0))
        if first != one.start:
            raise BoardError(f"the board's disk does not hold partition {one.name} at {one.start:#x}", hint="this image is for another board or release")
        if -(-one.size // SECTOR) > last - first + 1:
            raise BoardError(f"partition {one.name} of the board has {max(0, last - first + 1) * SECTOR} bytes, the image {one.size}",
                             hint="it would run into what comes next; this image is for another board or release")


def match(plan: Plan, found: Sequence[tuple[str, int]]) -> None:
    """Raise BoardError unless the board's table is the plan's, in number, names and first sectors."""
    if tuple(found) == plan.table:
        return
    if list(found) == [row for row in plan.table if row[0] != MODEL]:
        raise BoardError(f"the board's table has no partition {MODEL}", hint=f"it needs the new table first: {'; '.join(plan.new_table)}")
    ours, theirs = [*plan.table, ("no more rows", 0)], [*found, ("no more rows", 0)]
    mine, other = next((one, two) for one, two in zip(ours, theirs, strict=False) if one != two)
    raise BoardError(f"the board's table does not match: it has {other[0]} at {other[1]:#x} where the plan has {mine[0]} at {mine[1]:#x}",
                     hint="this image is for another board or release")


def compare(plan: Plan, board: Writable, scratch: Path, progress: Progress = silent) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read back what the loader lets us read: (compared, not readable). Raises BoardError for bytes that differ.

    The recorded loader gives 0xCC for every sector from 65536 on, so 0xCC in the last sector of an image means "not
    readable"; unless a later sector could be read: then it means that the image is not there.
    """
    compared: list[str] = []
    unread: list[str] = []
    with tempfile.TemporaryDirectory(dir=scratch) as folder, progress(plan.size, "read back") as update:
        into = Path(folder) / "sectors"
        for one in reversed(plan.writes):
            if not compared and _read(board, one.start + (one.size - 1) // SECTOR, 1, into) == _UNREAD:
                unread.insert(0, one.name)
                update(one.size)
                continue
            for ours, theirs in _pieces(one, board, into):
                if theirs[:len(ours)] != ours:
                    raise BoardError(f"partition {one.name} does not hold what was written", hint=plan.again)
                update(len(ours))
            compared.insert(0, one.name)
    return tuple(compared), tuple(unread)


def _pieces(one: Write, board: Writable, into: Path) -> Iterator[tuple[bytes, bytes]]:
    with one.file.open("rb") as stream:
        for at in range(0, -(-one.size // SECTOR), PIECE):
            ours = stream.read(PIECE * SECTOR)
            yield ours, _read(board, one.start + at, -(-len(ours) // SECTOR), into)


def _read(board: Writable, start: int, sectors: int, into: Path) -> bytes:
    try:
        return board.read(start, sectors, into)
    except BoardError as error:
        raise BoardError(f"all is written, but not compared: {error.what}", where=error.where, hint=error.hint) from error


def _write(plan: Plan, one: Write, board: Writable, update: Update) -> Written:
    if one.name not in WRITTEN:        # a Plan that plan() did not make
        raise Refused(f"partition {one.name} is never written")
    told = 0

    def moved(percent: int) -> None:
        nonlocal told
        now = one.size * percent // 100
        update(now - told)
        told = now

    done = board.write(one.name, one.file, moved)
    if not done.begun:
        raise BoardError(f"partition {one.name} was not written: {done.why}", hint=done.hint)
    return done


def _stopped(plan: Plan, number: int, error: KilnError) -> BoardError:
    """The error of a stop between two writes: it tells what the board holds now."""
    if not number:
        return BoardError(error.what if "nothing was written" in error.what else f"{error.what}; nothing was written", where=error.where, hint=error.hint)
    names = ", ".join(one.name for one in plan.writes[:number])
    return BoardError(f"{error.what}; so far {names} of {len(plan.writes)} partitions are written", where=error.where,
                      hint="; ".join(filter(None, (error.hint, plan.again))))


def _checked(one: Write, update: Update) -> tuple[int, ...]:
    """The file is the one of the plan, byte for byte. Gives the marks by which a later change shows."""
    marks, digest = _marks(one.file), hashlib.sha256()
    with one.file.open("rb") as stream:
        while piece := stream.read(PIECE * SECTOR):
            run.go_on(f"{one.file.name} was checked")
            digest.update(piece)
            update(len(piece))
    if digest.hexdigest() != one.sha256:
        raise Refused("is not the image that was built; nothing was written", where=one.file, hint="build the image again")
    return marks


def _unchanged(one: Write, marks: tuple[int, ...]) -> None:
    if _marks(one.file) != marks:
        raise Refused("changed since it was checked", where=one.file)


def _marks(file: Path) -> tuple[int, ...]:
    try:
        stat = file.stat()
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}", where=file) from error
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
