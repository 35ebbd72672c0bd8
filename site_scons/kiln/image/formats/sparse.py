# SPDX-License-Identifier: Apache-2.0
"""Android sparse images of every partition, with parameter.txt: zeros take no room, and rkdeveloptool takes them as they are.

The format is libsparse's, version 1.0, little endian: a head of 28 bytes, then chunks, each with a head of 12 bytes:
raw blocks, or one word that fills so many blocks. Zeros are fill chunks and never `do not care` ones: those leave
on the disk whatever was there, and a file system's own zeros matter. What is zero is told by the bytes, not by the
file's holes, which are another host's or copy's choice; so equal images give equal files.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from kiln.errors import ImageError
from kiln.image import spans
from kiln.image.formats import directory
from kiln.image.table import SECTOR
from kiln.product import Product
from kiln.progress import Progress, silent
from kiln.results import Output, Partition

BLOCK = 4096
HEAD = struct.Struct("<IHHHHIIII")     # magic, major, minor, size of this, size of a chunk's head, block, blocks, chunks, checksum
CHUNK = struct.Struct("<HHII")         # kind, 0, blocks of the image, bytes of the chunk with its head
MAGIC, RAW, FILL = 0xED26FF3A, 0xCAC1, 0xCAC2
LONGEST = (64 << 20) // BLOCK          # blocks of a chunk: far from where a reader's 32-bit sizes end
_READ = 256                            # blocks read at a time
_ZERO = bytes(BLOCK)


def sparse_name(partition: str) -> str:
    """The file name of a partition's sparse image, beside which the raw one may lie."""
    return directory.image_name(partition).removesuffix(".img") + ".sparse.img"


def _blocks(stream: IO[bytes], size: int, data: Iterable[tuple[int, int]]) -> Iterator[tuple[bool, int]]:
    """(zero, count) of the blocks of an open file, in order; a last block that is not full counts as one.

    Outside the (offset, length) of `data` are holes, which are not read.
    """
    at, total = 0, -(-size // BLOCK)
    for begin, length in (*data, (total * BLOCK, 0)):
        first, last = max(at, begin // BLOCK), -(-(begin + length) // BLOCK)      # holes may end inside a block
        yield True, first - at
        for start in range(first, last, _READ):
            part = os.pread(stream.fileno(), min(_READ, last - start) * BLOCK, start * BLOCK)
            if len(part) < min(last * BLOCK, size, (start + _READ) * BLOCK) - start * BLOCK:
                raise ImageError("was cut short while it was packed", where=Path(stream.name).name, hint="did something change it? run again")
            if len(part) % BLOCK == 0 and _ZERO not in part:       # one search in place of 256 looks
                yield False, len(part) // BLOCK
                continue
            for offset in range(0, len(part), BLOCK):
                block = part[offset:offset + BLOCK]
                yield block == _ZERO[:len(block)], 1
        at = max(at, last)


def _runs(stream: IO[bytes], size: int) -> Iterator[tuple[bool, int]]:
    """The same with neighbours joined, up to LONGEST blocks each."""
    kind, length = False, 0
    for zero, count in _blocks(stream, size, spans.data(stream.fileno(), size)):
        if length and zero != kind and count:
            yield kind, length
            length = 0
        kind, length = zero if count else kind, length + count
        while length >= LONGEST:
            yield kind, LONGEST
            length -= LONGEST
    if length:
        yield kind, length


def write(source: Path, into: Path, tell: spans.Tell = spans.quiet) -> None:
    """`source` as a sparse file, padded with zeros to whole blocks; `tell` gets the bytes written."""
    with source.open("rb") as stream, into.open("wb") as out:
        size = os.fstat(stream.fileno()).st_size
        at, done, chunks = HEAD.size, 0, 0
        for zero, count in _runs(stream, size):
            length = 4 if zero else count * BLOCK
            os.pwrite(out.fileno(), CHUNK.pack(FILL if zero else RAW, 0, count, CHUNK.size + length), at)
            if not zero:
                there = min(length, size - done * BLOCK)
                spans.move(stream.fileno(), out.fileno(), done * BLOCK, at + CHUNK.size, there, tell)
            at, done, chunks = at + CHUNK.size + length, done + count, chunks + 1
            out.truncate(at)           # the word of a fill and the rest of a last block are zeros
        os.pwrite(out.fileno(), HEAD.pack(MAGIC, 1, 0, HEAD.size, CHUNK.size, BLOCK, done, chunks, 0), 0)


def _checked(row: Partition, size: int) -> None:
    """A partition that ends inside a block has no room for what fills the last one up."""
    blocks = -(-size // BLOCK) * BLOCK
    if row.size and blocks > row.size * SECTOR:
        raise ImageError(f"{row.image} has {blocks} bytes in whole blocks of {BLOCK}, its partition {row.name} only {row.size * SECTOR}",
                         hint="image.formats: directory packs it as it is")


def pack(product: Product, partitions: Sequence[Partition], table: Path, into: Path, log: Path,
         progress: Progress = silent) -> tuple[Output, ...]:
    """Every partition that has an image, as <partition>.sparse.img, and the table."""
    outputs = []
    with progress(2 * spans.weight(row.image for row in partitions if row.image), "pack sparse") as update:
        for row in partitions:
            if row.image:
                _checked(row, row.image.stat().st_size)
                file = into / sparse_name(row.name)
                beside = into / f".{file.name}.tmp"
                write(row.image, beside, update)
                digest = spans.digest(beside, update)
                spans.put(beside, file)
                outputs.append(Output(file, "sparse", file.stat().st_size, digest, row.name, row.start * SECTOR))
    return (*outputs, *directory.with_table(table, into, "sparse"))
