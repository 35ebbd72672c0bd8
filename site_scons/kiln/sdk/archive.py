# SPDX-License-Identifier: Apache-2.0
"""Members of an ar archive, in order: zig names them by the path of its cache, which must not travel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kiln.errors import UnpackError

_MAGIC = b"!<arch>\n"
_HEAD = 60


def members(file: Path) -> Iterator[tuple[str, bytes]]:
    """(base name, bytes) of each object of a GNU archive; the symbol table is left out."""
    data = file.read_bytes()
    if not data.startswith(_MAGIC):
        raise UnpackError("is not an ar archive", where=file)
    names, at = b"", len(_MAGIC)
    while at + _HEAD <= len(data):
        name, size = data[at:at + 16].decode("ascii", "replace").rstrip(), _size(data[at + 48:at + 58], file)
        body = data[at + _HEAD:at + _HEAD + size]
        if len(body) < size:
            raise UnpackError("ends in the middle of a member", where=file)
        if name == "//":
            names = body
        elif name not in ("/", "/SYM64/"):
            yield _named(name, names), body
        at += _HEAD + size + size % 2


def _size(field: bytes, file: Path) -> int:
    if not field.strip().isdigit():
        raise UnpackError("has a member without a size", where=file)
    return int(field)


def _named(name: str, names: bytes) -> str:
    """A GNU name is `x.o/`, or `/offset` into the table of long names, each ended by a slash and a line feed."""
    if name[:1] == "/" and name[1:].isdigit():
        name = names[int(name[1:]):].split(b"\n", 1)[0].decode("ascii", "replace")
    return name.rstrip("/").rsplit("/", 1)[-1]
