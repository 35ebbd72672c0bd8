# SPDX-License-Identifier: Apache-2.0
"""A file on its way in: it grows in the cache's partial/, is hashed as it grows, and survives a cut or a kill."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from kiln import run
from kiln.errors import FetchError
from kiln.progress import Update, amount

PIECE = 1 << 20


class Wrong(FetchError):
    """The right number of bytes came and they are others; `got` is their sha256."""

    def __init__(self, got: str) -> None:
        super().__init__("its sha256 is another")
        self.got = got


@dataclass
class Part:
    """`size` bytes (0: nobody recorded how many) of sha256 `digest` are wanted in `file`; what lies there from before is taken up on entry.

    `tag` is what a server said of the bytes so far: its address as shown, its ETag or Last-Modified. `upto` bytes are enough for
    now (0: all of them).
    """

    file: Path
    digest: str
    size: int
    update: Update
    offset: int = 0
    tag: tuple[str, str] = ("", "")
    upto: int = 0
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _out: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._out = self.file.open("a+b")
        self._out.seek(0)
        if self._out.seek(0, 2) > self.size > 0:
            self._out.truncate(0)
        self._out.seek(0)
        while piece := self._out.read(PIECE):
            self._took(piece)
        self.tag = self._remembered()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._out
        self._out.close()

    def write(self, piece: bytes) -> None:
        """Take the next bytes. More than were pinned are refused before they are written."""
        run.go_on(f"{self.file.name[:8]} was fetched")
        if self.offset + len(piece) > self.size > 0:
            raise FetchError(f"sends more than the {self.size} bytes that are pinned")
        assert self._out
        self._out.write(piece)
        self._took(piece)

    def learn(self, size: int) -> None:
        """A server or file says how long it is. Raises FetchError if that is not what was pinned; where nobody recorded it, it holds now."""
        if size != (self.size or size):
            raise FetchError(f"is {amount(size)} ({size} bytes) long there, {self.size} bytes are pinned")
        self.size = size

    @property
    def done(self) -> bool:
        """Whether all that is wanted now has come."""
        return self.offset >= self.size > 0 or self.offset >= self.upto > 0

    def restart(self) -> None:
        """Forget what came so far."""
        assert self._out
        self._out.truncate(0)
        self.update(-self.offset)
        self.offset, self._hash = 0, hashlib.sha256()
        self.remember("", "")

    def remember(self, address: str, validator: str) -> None:
        """Note what a later resume must ask with. Written before the bytes that it speaks of."""
        if (address, validator) != self.tag:
            self.tag = (address, validator)
            self._note.write_text(json.dumps({"from": address, "validator": validator, "size": self.size}))

    def check(self) -> None:
        """Raises Wrong if the whole file is there and is not what was wanted."""
        assert self._out
        self._out.flush()
        if self._hash.hexdigest() != self.digest:
            raise Wrong(self._hash.hexdigest())

    def forget(self) -> None:
        """Take the note away, after the file itself was moved."""
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.file.with_name(self.file.name + ".json")

    def _took(self, piece: bytes) -> None:
        self._hash.update(piece)
        self.offset += len(piece)
        self.update(len(piece))

    def _remembered(self) -> tuple[str, str]:
        try:
            note = json.loads(self._note.read_text())
            if self.offset and type(note.get("size")) is int and note["size"] >= self.offset:
                self.size = self.size or note["size"]      # what its server said, where no pin does
            return str(note["from"]), str(note["validator"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return "", ""


def copy(source: Path, part: Part) -> None:
    """A local file into a Part. Raises FetchError if it is not there or of another size, Wrong for other bytes."""
    if part.offset:
        part.restart()
    try:
        size = source.stat().st_size
        with source.open("rb") as stream:
            part.learn(size)
            while piece := stream.read(PIECE):
                part.write(piece)
    except OSError as error:
        if error.filename is None:
            raise
        raise FetchError(f"cannot be read: {error.strerror}") from error
    if part.offset < part.size:
        raise FetchError(f"ends after {part.offset} of {part.size} bytes")
    part.check()
