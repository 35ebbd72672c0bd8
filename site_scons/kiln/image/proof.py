# SPDX-License-Identifier: Apache-2.0
"""The proof, at each build, that writing into an image changed nothing else.

Compared byte for byte: the raw inode of every file that was there before, and every block that was in use before.
Left out are the resize inode, the folders that gained an entry and the files replaced on purpose; and of the blocks
those of superblocks, descriptors, bitmaps and inode tables (the inodes are compared one by one).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from kiln.errors import ImageError
from kiln.image.ext4 import RESIZE_INODE, Reader

_PIECE = 2048                          # blocks read at once: 8 MiB


def unchanged(before: Path, after: Path, touched: Iterable[int]) -> int:
    """Compare; `touched` are the inodes that may differ. Gives the number of inodes compared, raises ImageError at the first difference."""
    but = {RESIZE_INODE, *touched}
    with Reader(before) as old, Reader(after) as new:
        count = _inodes(old, new, but)
        _blocks(old, new, [*old.metadata(), *_owned(old, but)])
    return count


def _inodes(old: Reader, new: Reader, but: set[int]) -> int:
    count = 0
    for number in old.used_inodes():
        if number not in but:
            count += 1
            if old.inode(number) != new.inode(number):
                raise ImageError(f"inode {number} is not as it was before", where=new.image.name,
                                 hint="e2fsprogs moved something of the base; this is a bug worth a report")
    return count


def _owned(old: Reader, numbers: set[int]) -> Iterator[tuple[int, int]]:
    """The blocks that inodes own, the blocks of their extent trees and attributes too."""
    for number in numbers:
        raw = old.inode(number)
        yield from ((extent.physical, extent.length) for extent in old.extents(raw))
        yield from ((block, 1) for block in old.inner(raw))


def _blocks(old: Reader, new: Reader, without: list[tuple[int, int]]) -> None:
    for first, count in _minus(old.used_blocks(), sorted(without)):
        for at in range(first, first + count, _PIECE):
            length = min(_PIECE, first + count - at)
            if old.read(at, length) != new.read(at, length):
                raise ImageError(f"a block between {at} and {at + length} is not as it was before", where=new.image.name,
                                 hint="e2fsprogs moved something of the base; this is a bug worth a report")


def _minus(spans: Iterable[tuple[int, int]], without: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans (start, length), ascending, less other spans, ascending; those may overlap each other."""
    index = 0
    for start, length in spans:
        end = start + length
        while start < end:
            while index < len(without) and sum(without[index]) <= start:
                index += 1
            stop = min(end, without[index][0]) if index < len(without) else end
            if stop > start:
                yield start, stop - start
            start = sum(without[index]) if stop < end else end
