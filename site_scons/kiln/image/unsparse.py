# SPDX-License-Identifier: Apache-2.0
"""An Android sparse image as a plain one; read as hostile: a head can promise 16 TiB and a chunk can lie about its length."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from kiln.errors import ImageError
from kiln.image import spans
from kiln.image.formats.sparse import CHUNK, FILL, HEAD, MAGIC, RAW
from kiln.progress import Progress, silent

LARGEST = 1 << 40                      # bytes of an image whose partition sets no limit
_SKIP, _CRC = 0xCAC3, 0xCAC4           # `do not care`, and a checksum that nobody writes
_PIECE = 1 << 20


def is_sparse(file: Path) -> bool:
    """Whether the file begins with the magic number of libsparse."""
    with file.open("rb") as stream:
        return stream.read(4) == struct.pack("<I", MAGIC)


def expand(source: Path, into: Path, limit: int, progress: Progress = silent) -> Path:
    """The plain image in `into`, at most `limit` bytes; zeros and what nobody cares about become holes. Gives `into`.

    Raises ImageError for a file that lies about itself.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    beside = into.with_name(f".{into.name}.tmp")
    with source.open("rb") as stream, beside.open("wb") as out, progress(os.fstat(stream.fileno()).st_size, f"expand {source.name}") as update:
        block, blocks, chunks, header, chunk = _head(stream, source, limit)
        stream.seek(header)
        at = 0
        for number in range(chunks):
            raw = stream.read(chunk)
            if len(raw) < chunk:
                raise _bad(source, f"ends in the head of chunk {number} of {chunks}")
            kind, _, count, length = CHUNK.unpack(raw[:CHUNK.size])
            body = length - chunk
            if at + count > blocks:
                raise _bad(source, f"chunk {number} ends at block {at + count} of {blocks}")
            _chunk(stream, out, kind, body, at * block, count * block, source, number)
            at += count if kind != _CRC else 0
            update(length)
        if at != blocks:
            raise _bad(source, f"has {at} blocks, its head says {blocks}")
        out.truncate(blocks * block)
    beside.replace(into)
    return into


def _head(stream: BinaryIO, source: Path, limit: int) -> tuple[int, int, int, int, int]:
    raw = stream.read(HEAD.size)
    if len(raw) < HEAD.size:
        raise _bad(source, "ends in its head")
    magic, major, _, header, chunk, block, blocks, chunks, _ = HEAD.unpack(raw)
    if magic != MAGIC or major != 1 or not HEAD.size <= header <= 4096 or not CHUNK.size <= chunk <= 4096:
        raise _bad(source, f"has version {major}, a head of {header} and chunk heads of {chunk} bytes, which nobody writes")
    if not block or block % 1024 or block > 1 << 20:
        raise _bad(source, f"has blocks of {block} bytes")
    if blocks * block > limit:
        raise ImageError(f"expands to {blocks * block} bytes, its partition has {limit}", where=source, hint="it is of another partition table")
    if chunks > blocks + 1:
        raise _bad(source, f"has {chunks} chunks for {blocks} blocks")
    return block, blocks, chunks, header, chunk


def _chunk(stream: BinaryIO, out: BinaryIO, kind: int, body: int, at: int, size: int, source: Path, number: int) -> None:
    wanted = {RAW: size, FILL: 4, _SKIP: 0, _CRC: 4}.get(kind)
    if wanted is None or body != wanted:
        raise _bad(source, f"chunk {number} has kind {kind:#x} and {body} bytes")
    if kind == RAW:
        there = os.fstat(stream.fileno()).st_size - stream.tell()
        if there < size:
            raise _bad(source, f"chunk {number} has {there} of {size} bytes")
        spans.move(stream.fileno(), out.fileno(), stream.tell(), at, size, spans.quiet)
        stream.seek(size, os.SEEK_CUR)
        return
    word = stream.read(body)
    if kind == FILL and word != bytes(4):
        piece = word * (min(size, _PIECE) // 4)
        for done in range(0, size, len(piece)):
            os.pwrite(out.fileno(), piece[:size - done], at + done)


def _bad(source: Path, what: str) -> ImageError:
    return ImageError(f"is a broken sparse image: {what}", where=source, hint="fetch it again")
