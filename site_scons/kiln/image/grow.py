# SPDX-License-Identifier: Apache-2.0
"""An ext4 image grown by just what is needed, at most to its partition, with the same bytes from every e2fsprogs we know."""

from __future__ import annotations

import os
from pathlib import Path

from kiln.errors import Refused
from kiln.image import debugfs, ext4
from kiln.run import run

_STEP = 1 << 20


def to_hold(image: Path, blocks: int, inodes: int, limit: int, epoch: int, log: Path | None) -> None:
    """Grow until `blocks` and `inodes` are free. Raises Refused with the numbers if that does not fit `limit` bytes."""
    sb = ext4.superblock(image)
    if sb.size > limit:
        raise Refused(f"its file system has {sb.size} bytes and its partition {limit}", where=image.name)
    if _fits(sb, blocks, inodes):
        return
    for size in sorted({min(limit, _enough(sb, blocks, inodes)), limit}):
        if size > sb.size:
            _resize(image, size // sb.block, epoch, log)
            sb = ext4.superblock(image)
            if _fits(sb, blocks, inodes):
                return
    raise Refused(f"{blocks * sb.block} bytes and {inodes} inodes are needed; its partition of {limit} bytes has room for "
                  f"{sb.free * sb.block} and {sb.free_inodes}", where=image.name,
                  hint="a smaller model or recipe, or image.model_in: model")


def _fits(sb: ext4.Superblock, blocks: int, inodes: int) -> bool:
    return sb.free >= blocks and sb.free_inodes >= inodes


def _enough(sb: ext4.Superblock, blocks: int, inodes: int) -> int:
    """Bytes that surely do: what is missing, and the tables of every group that this adds, in whole MiB."""
    tables = sb.table_blocks + 2 + 1 + -(-2 * sb.groups * sb.descriptor // sb.block) + sb.reserved
    missing = max(blocks - sb.free, 0)
    groups = max(-(-missing // max(sb.group_blocks - tables, 1)), -(-max(inodes - sb.free_inodes, 0) // sb.group_inodes)) + 1
    return -(-(sb.blocks + missing + groups * tables + 64) * sb.block // _STEP) * _STEP


def _resize(image: Path, blocks: int, epoch: int, log: Path | None) -> None:
    before = ext4.superblock(image).groups
    with image.open("r+b") as stream:
        stream.truncate(blocks * ext4.superblock(image).block)
    env = {"E2FSPROGS_FAKE_TIME": str(epoch)}
    run(["resize2fs", "-f", image, f"{blocks * ext4.superblock(image).block // 512}s"], env=env, log=log)
    os.truncate(image, ext4.superblock(image).size)
    _zeroed(image, before, epoch, log)


def _zeroed(image: Path, first: int, epoch: int, log: Path | None) -> None:
    """Say of the new groups that their inode tables are zeros, as they are: resize2fs says so since 1.47.1, not before."""
    with ext4.Reader(image) as reader:
        new = [(n, group.flags) for n, group in enumerate(reader.groups) if n >= first and reader.sb.checksums]
    lines = []
    for n, flags in new:
        if not flags & ext4.ITABLE_ZEROED:
            lines += [f"set_block_group {n} flags {flags | ext4.ITABLE_ZEROED}", f"set_block_group {n} checksum calc"]
    if lines:
        debugfs.write(image, lines, folder=image.parent, epoch=epoch, log=log)
        _copies(image)


def _copies(image: Path) -> None:
    """Bring the copies of the group descriptors up to date: debugfs writes the first ones only."""
    with ext4.Reader(image) as reader, image.open("r+b") as out:
        descriptors = reader.descriptors()
        for first in reader.copies():
            os.pwrite(out.fileno(), descriptors, (first + 1) * reader.sb.block)
