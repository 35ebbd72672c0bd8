# SPDX-License-Identifier: Apache-2.0
"""The program hdc: its boards, one call and what came of it. All that it prints is bounded and hostile."""

from __future__ import annotations

import hashlib
import os
import re
import select
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln import run
from kiln.errors import BoardError, one_line

TOOL = "hdc"
MOST = 1 << 20                         # bytes of an answer that are kept from its beginning
TAIL = 4096                            # and from its end
FOUND = 4                              # seconds that a server which was just started needs to see its boards
_KEY = re.compile(r"[0-9A-Za-z][0-9A-Za-z.:_-]{0,63}")
_RETRY = ("[E000004]", "communication channel is being established", "please wait for several seconds and try again",
          "device offline", "not connected")
_PAUSES = (0.8, 1.5, 2.5)              # seconds, as those who talk to this board do
_HINTS = {"E000003": "allow this machine on the board's screen", "Unauthorized": "allow this machine on the board's screen",
          "not connected": "plug the board in again", "device offline": "plug the board in again"}
_START = 'exec setsid "$0" start >/dev/null 2>&1 </dev/null'      # a session of its own: the server is not ours to end


@dataclass(frozen=True)
class Said:
    """What one call printed: the first MiB, the last bytes, how many in all."""

    head: bytes
    tail: bytes
    size: int

    @property
    def whole(self) -> bytes:
        """All of it, where it was kept, else nothing."""
        return self.head if self.size == len(self.head) else b""

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the beginning that say anything, without escapes."""
        return tuple(text for line in self.head[:1 << 16].decode("utf-8", "replace").splitlines() if (text := one_line(line, 300)))

    @property
    def last(self) -> str:
        """The last line that says anything."""
        lines = [text for line in self.tail.decode("utf-8", "replace").splitlines() if (text := one_line(line, 300))]
        return lines[-1] if lines else "nothing"


@dataclass(frozen=True)
class Hdc:
    """One board of hdc, by its key."""

    program: str
    key: str
    log: Path

    def say(self, *words: str, timeout: float, what: str) -> Said:
        """One call for this board; asked again while the channel is still being made. Raises BoardError when it does not end."""
        for pause in (*_PAUSES, 0.0):
            said = call([self.program, "-t", self.key, *words], timeout=timeout, log=self.log, what=what)
            if not pause or len(said.lines) != 1 or not any(mark.lower() in said.last.lower() for mark in _RETRY):
                return said
            time.sleep(pause)
        raise AssertionError

    def connected(self) -> bool:
        """Whether hdc still has this board."""
        return (self.key, "Connected") in targets(self.program, self.log)


def find(serial: str, *, log: Path) -> Hdc:
    """The one board that hdc is connected to, or that with this serial number. Raises BoardError with what there is."""
    program = run.find(TOOL)
    run.run(["/bin/sh", "-c", _START, program], timeout=20, log=log)
    ends = time.monotonic() + FOUND
    while not (found := targets(program, log)) and time.monotonic() < ends:
        time.sleep(0.25)
    if not found:
        raise BoardError("no board is plugged in that runs OpenHarmony", hint="connect its USB-C port and start it (the first start after a flash "
                         "takes up to 10 minutes); or take the virtual board: board=virt")
    every = ", ".join(f"{key} ({state})" for key, state in found)
    able = [one for one in found if one[1] != "Offline"] or found
    chosen = [one for one in found if one[0] == serial] if serial else able
    if not chosen:
        raise BoardError(f"there is no board {one_line(serial, 64)}", hint=f"there is: {every}")
    if len(chosen) > 1:
        raise BoardError(f"{len(chosen)} boards are plugged in: {every}", hint=f"say which: board={chosen[0][0]}")
    key, state = chosen[0]
    if state != "Connected":
        raise BoardError(f"hdc calls the board {key} {state}",
                         hint="allow this machine on the board's screen" if state == "Unauthorized" else "plug the board in again, or restart it")
    return Hdc(program, key, log)


def targets(program: str, log: Path) -> list[tuple[str, str]]:
    """The boards of `hdc list targets -v` as (key, state). Anything strange is an error: a board is never guessed."""
    said = call([program, "list", "targets", "-v"], timeout=20, log=log, what="list targets")
    if said.lines == ("[Empty]",):
        return []
    found: list[tuple[str, str]] = []
    for line in said.head.decode("utf-8", "replace").splitlines():
        if not line.strip():
            continue
        fields = line.rstrip("\r").split("\t")
        if len(fields) != 5 or not _KEY.fullmatch(fields[0]) or fields[3] not in ("Connected", "Offline", "Unauthorized"):
            raise BoardError(f"hdc list targets answers strangely: {one_line(line, 200)}", hint=hint(said) or f"log: {log}")
        if fields[0] in (key for key, _ in found):
            raise BoardError(f"hdc list targets names {fields[0]} twice", hint=f"log: {log}")
        found.append((fields[0], fields[3]))
    if not found or said.size > MOST:
        raise BoardError("hdc list targets answers nothing" if not found else "hdc list targets does not end", hint=f"log: {log}")
    return found


def call(argv: Sequence[str], *, timeout: float, log: Path, what: str) -> Said:
    """Run hdc once. Its end is the end of the process, not of its output: a server that it started may hold that open."""
    ends, head, tail, size = time.monotonic() + timeout, bytearray(), bytearray(), 0
    with run.started(argv, env={"TERM": "dumb"}) as child:
        assert child.stdout is not None
        pipe = child.stdout.fileno()
        os.set_blocking(pipe, False)
        while True:
            over = child.poll() is not None     # asked before the pipe is emptied, so nothing is missed
            piece = _read(pipe)
            if piece:
                size += len(piece)
                head += piece[:MOST - len(head)]
                tail = (tail + piece)[-TAIL:]
            elif over:
                break
            if time.monotonic() > ends:
                raise BoardError(f"{what!r} did not end on the board within {timeout:.0f} s; it may still run there", hint=f"log: {log}")
            run.go_on(f"hdc ran {what!r}")
            if not piece:
                select.select([pipe] if piece is None else [], [], [], 0.02)
    said = Said(bytes(head), bytes(tail), size)
    with log.open("a", encoding="utf-8") as out:
        out.write(f"$ {one_line(' '.join(argv), 400)}\n# exit code {child.returncode}, {size} bytes; last: {said.last}\n")
    return said


def hint(said: Said) -> str:
    """What to do about what hdc said."""
    text = (said.head[:TAIL] + said.tail).decode("utf-8", "replace").lower()
    return next((todo for mark, todo in _HINTS.items() if mark.lower() in text), "")


def digest(file: Path, name: str) -> str:
    """A digest of a file that is to be sent: sha256 or md5."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, name).hexdigest()
    except OSError as error:
        raise BoardError(f"cannot be sent: {error.strerror}", where=file) from error


def _read(pipe: int) -> bytes | None:
    """What there is; None: nothing yet; empty: the end."""
    try:
        return os.read(pipe, 1 << 16)
    except BlockingIOError:
        return None
