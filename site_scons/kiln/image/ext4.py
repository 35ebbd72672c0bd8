# SPDX-License-Identifier: Apache-2.0
"""What an ext4 image says of itself: superblock, groups, raw inodes, extents; read only, as hostile input.

Layout: kernel.org, Documentation/filesystems/ext4. debugfs does the writing; this reads the bytes that a check needs
and that no tool prints.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kiln.errors import ImageError

SPARSE = 0xED26FF3A
INCOMPAT = {0x2: "filetype", 0x4: "needs_recovery", 0x40: "extent", 0x80: "64bit", 0x100: "mmp", 0x200: "flex_bg",
            0x400: "ea_inode", 0x2000: "metadata_csum_seed", 0x4000: "large_dir"}
SPARSE_SUPER, BIGALLOC, SPARSE_SUPER2 = 0x1, 0x200, 0x200
INODE_UNINIT, BLOCK_UNINIT, ITABLE_ZEROED = 1, 2, 4
RESIZE_INODE = 7


@dataclass(frozen=True)
class Superblock:
    """The numbers of one file system; sizes in blocks of `block` bytes."""

    block: int
    blocks: int
    free: int
    inodes: int
    free_inodes: int
    first_block: int
    group_blocks: int
    group_inodes: int
    inode_size: int
    first_inode: int
    descriptor: int
    reserved: int                      # blocks kept for a growing group descriptor table
    compat: int
    incompat: int
    ro_compat: int
    checksums: bool

    @property
    def size(self) -> int:
        """Bytes of the file system."""
        return self.blocks * self.block

    @property
    def groups(self) -> int:
        """Number of block groups."""
        return -(-(self.blocks - self.first_block) // self.group_blocks)

    @property
    def table_blocks(self) -> int:
        """Blocks of one group's inode table."""
        return -(-self.group_inodes * self.inode_size // self.block)


@dataclass(frozen=True)
class Group:
    """One block group: where its bitmaps and inode table lie (block numbers)."""

    block_bitmap: int
    inode_bitmap: int
    inode_table: int
    flags: int


@dataclass(frozen=True)
class Extent:
    """`length` blocks of a file from `logical` on, at `physical`; a file's hole has none."""

    logical: int
    length: int
    physical: int
    written: bool


def superblock(image: Path, offset: int = 0) -> Superblock:
    """The superblock of the file system at `offset`. Raises ImageError saying what is there instead, or that it is cut short."""
    try:
        with image.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size - offset
            stream.seek(offset)
            head = stream.read(2048)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}", where=image) from error
    _is_ext4(head, image)
    found = _numbers(head[1024:])
    _sane(found, image)
    if found.size > size:
        raise ImageError(f"is cut short: its file system has {found.size} bytes, the file {size}", where=image,
                         hint="copy or unpack the base again")
    return found


def _is_ext4(head: bytes, image: Path) -> None:
    if len(head) >= 4 and struct.unpack_from("<I", head)[0] == SPARSE:
        raise ImageError("is an Android sparse image, not a raw one", where=image, hint="unpack it first: simg2img SPARSE RAW")
    if len(head) < 2048 or struct.unpack_from("<H", head, 1024 + 0x38)[0] != 0xEF53:
        kind = {b"\x1f\x8b": "gzip data", b"RKFW": "a Rockchip update image", b"RKAF": "a Rockchip archive", b"PK\3\4": "a zip archive"}
        what = next((name for mark, name in kind.items() if head.startswith(mark)), "no ext4 file system")
        raise ImageError(f"is {what}", where=image, hint="expected an ext4 partition image")


def _numbers(raw: bytes) -> Superblock:
    def at(form: str, offset: int) -> int:
        return int(struct.unpack_from("<" + form, raw, offset)[0])

    def high(offset: int) -> int:
        return at("I", offset) << 32 if wide else 0

    incompat = at("I", 0x60)
    wide = bool(incompat & 0x80)
    return Superblock(
        block=1024 << min(at("I", 0x18), 16), blocks=at("I", 0x4) | high(0x150), free=at("I", 0xC) | high(0x158),
        inodes=at("I", 0x0), free_inodes=at("I", 0x10), first_block=at("I", 0x14), group_blocks=at("I", 0x20),
        group_inodes=at("I", 0x28), inode_size=at("H", 0x58) if at("I", 0x4C) else 128, first_inode=at("I", 0x54),
        descriptor=at("H", 0xFE) if wide else 32, reserved=at("H", 0xCE), compat=at("I", 0x5C), incompat=incompat,
        ro_compat=at("I", 0x64), checksums=bool(at("I", 0x64) & 0x400))


def _sane(sb: Superblock, image: Path) -> None:
    """Refuse what would make us read outside of the file or that no OpenHarmony image has."""
    strange = sb.incompat & ~sum(INCOMPAT)
    if strange or sb.ro_compat & BIGALLOC or sb.compat & SPARSE_SUPER2:
        raise ImageError(f"uses ext4 features that Kiln does not write into (incompat {sb.incompat:#x}, ro_compat {sb.ro_compat:#x})",
                         where=image, hint="expected what OpenHarmony's mkextimage.py makes")
    good = (1024 <= sb.block <= 65536 and 0 < sb.group_blocks <= sb.block * 8 and 0 < sb.group_inodes <= sb.block * 8
            and sb.inode_size in (128, 256, 512, 1024) and sb.descriptor in (32, 64) and sb.first_block in (0, 1)
            and sb.first_block < sb.blocks < 1 << 40 and sb.groups < 1 << 20 and sb.reserved <= sb.block // 4)
    if not good or sb.inodes != sb.groups * sb.group_inodes:
        raise ImageError("has a broken ext4 superblock", where=image, hint="copy or unpack the base again")
    if sb.incompat & 0x4:
        raise ImageError("has a journal that waits for recovery", where=image, hint="run e2fsck on the base, or take one that was never mounted")
    if not sb.incompat & 0x40:
        raise ImageError("is ext2 or ext3: it has no extents", where=image, hint="expected an ext4 partition image")


class Reader:
    """An open image, or the file system at `offset` of a whole disk: groups, bitmaps, raw inodes. Use as a context manager."""

    def __init__(self, image: Path, offset: int = 0) -> None:
        self.image, self.sb, self._at = image, superblock(image, offset), offset
        self._fd = os.open(image, os.O_RDONLY)
        self.groups = self._groups()
        self.folders: dict[int, dict[str, int]] = {}      # what files.py has read; an image does not change under a Reader

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def read(self, first: int, count: int = 1) -> bytes:
        """`count` blocks from block `first` on. Raises ImageError outside of the file system."""
        if not 0 <= first <= first + count <= self.sb.blocks:
            raise ImageError(f"points at block {first}, outside of its {self.sb.blocks} blocks", where=self.image)
        return os.pread(self._fd, count * self.sb.block, self._at + first * self.sb.block)

    def descriptors(self) -> bytes:
        """The group descriptors, in whole blocks."""
        return self.read(self.sb.first_block + 1, -(-self.sb.groups * self.sb.descriptor // self.sb.block))

    def copies(self) -> Iterator[int]:
        """The first block of every group that begins with a superblock and descriptors."""
        for n in range(self.sb.groups):
            if not self.sb.ro_compat & SPARSE_SUPER or _has_backup(n):
                yield self.sb.first_block + n * self.sb.group_blocks

    def _groups(self) -> tuple[Group, ...]:
        sb, raw = self.sb, self.descriptors()
        return tuple(self._group(raw[n * sb.descriptor:(n + 1) * sb.descriptor]) for n in range(sb.groups))

    def _group(self, raw: bytes) -> Group:
        low = struct.unpack_from("<III", raw)
        high = struct.unpack_from("<III", raw, 0x20) if self.sb.descriptor == 64 else (0, 0, 0)
        bitmap, inodes, table = (lo | hi << 32 for lo, hi in zip(low, high, strict=True))
        return Group(bitmap, inodes, table, struct.unpack_from("<H", raw, 0x12)[0])

    def used_inodes(self) -> Iterator[int]:
        """The numbers of all inodes in use, reserved ones too."""
        for n, group in enumerate(self.groups):
            if not group.flags & INODE_UNINIT:
                yield from (n * self.sb.group_inodes + bit + 1 for bit in _bits(self.read(group.inode_bitmap), self.sb.group_inodes))

    def inode(self, number: int) -> bytes:
        """The raw bytes of one inode."""
        n, index = divmod(number - 1, self.sb.group_inodes)
        if not 0 <= n < len(self.groups):
            raise ImageError(f"has no inode {number}", where=self.image)
        offset = self._at + self.groups[n].inode_table * self.sb.block + index * self.sb.inode_size
        raw = os.pread(self._fd, self.sb.inode_size, offset)
        if len(raw) != self.sb.inode_size:
            raise ImageError(f"is cut short: inode {number} lies outside", where=self.image)
        return raw

    def metadata(self) -> Iterator[tuple[int, int]]:
        """(first block, blocks) of all that is not files: superblocks, descriptors, bitmaps, inode tables."""
        sb = self.sb
        heads = 1 + len(self.descriptors()) // sb.block + sb.reserved
        yield from ((first, min(heads, sb.blocks - first)) for first in self.copies())
        for group in self.groups:
            yield from ((group.block_bitmap, 1), (group.inode_bitmap, 1), (group.inode_table, sb.table_blocks))

    def used_blocks(self) -> Iterator[tuple[int, int]]:
        """(first block, blocks) of every run that the block bitmaps call used."""
        sb = self.sb
        for n, group in enumerate(self.groups):
            first = sb.first_block + n * sb.group_blocks
            if not group.flags & BLOCK_UNINIT:
                count = min(sb.group_blocks, sb.blocks - first)
                yield from ((first + at, length) for at, length in _runs(self.read(group.block_bitmap), count))

    def extents(self, raw: bytes) -> tuple[Extent, ...]:
        """The extents of a raw inode in file order; () for an inode without an extent tree."""
        if not struct.unpack_from("<I", raw, 0x20)[0] & 0x80000:
            return ()
        return tuple(self._leaves(raw[0x28:0x64], 6))

    def inner(self, raw: bytes) -> Iterator[int]:
        """The blocks of a raw inode that hold its extent tree or its attributes."""
        attributes = struct.unpack_from("<I", raw, 0x68)[0] | struct.unpack_from("<H", raw, 0x76)[0] << 32
        if attributes:
            yield attributes
        if struct.unpack_from("<I", raw, 0x20)[0] & 0x80000:
            yield from self._nodes(raw[0x28:0x64], 6)
        elif struct.unpack_from("<H", raw)[0] >> 12 == 8:           # the resize inode: a plain file of the old kind
            yield from filter(None, struct.unpack_from("<III", raw, 0x28 + 48))

    def _nodes(self, node: bytes, deepest: int) -> Iterator[int]:
        _, entries, _, depth = struct.unpack_from("<HHHH", node)
        if 0 < depth < deepest and 12 * (entries + 1) <= len(node):
            for at in range(12, 12 * (entries + 1), 12):
                _, low, high = struct.unpack_from("<IIH", node, at)
                yield low | high << 32
                yield from self._nodes(self.read(low | high << 32), depth)

    def _leaves(self, node: bytes, deepest: int) -> Iterator[Extent]:
        magic, entries, _, depth = struct.unpack_from("<HHHH", node)
        if magic != 0xF30A or depth >= deepest or 12 * (entries + 1) > len(node):
            raise ImageError("has a broken extent tree", where=self.image)
        for at in range(12, 12 * (entries + 1), 12):
            if depth:
                _, low, high = struct.unpack_from("<IIH", node, at)
                yield from self._leaves(self.read(low | high << 32), depth)
            else:
                logical, length, high, low = struct.unpack_from("<IHHI", node, at)
                yield Extent(logical, length - 32768 if length > 32768 else length, low | high << 32, length <= 32768)


def size(raw: bytes) -> int:
    """i_size of a raw inode, bytes."""
    low, high = struct.unpack_from("<I", raw, 0x4)[0], struct.unpack_from("<I", raw, 0x6C)[0]
    return int(low | high << 32)


def owner(raw: bytes) -> tuple[int, int, int]:
    """(mode with the file type, uid, gid) of a raw inode."""
    mode, uid, gid = (struct.unpack_from("<H", raw, at)[0] for at in (0x0, 0x2, 0x18))
    high_uid, high_gid = struct.unpack_from("<HH", raw, 0x78)
    return mode, uid | high_uid << 16, gid | high_gid << 16


def _bits(bitmap: bytes, count: int) -> Iterator[int]:
    for at, byte in enumerate(bitmap[:-(-count // 8)]):
        if byte:
            yield from (at * 8 + bit for bit in range(8) if byte >> bit & 1 and at * 8 + bit < count)


def _runs(bitmap: bytes, count: int) -> Iterator[tuple[int, int]]:
    bits = int.from_bytes(bitmap[:-(-count // 8)], "little") & ((1 << count) - 1)
    at = 0
    while bits:
        skip = (bits & -bits).bit_length() - 1
        bits >>= skip
        length = (~bits & (bits + 1)).bit_length() - 1
        yield at + skip, length
        bits >>= length
        at += skip + length


def _has_backup(group: int) -> bool:
    """sparse_super keeps copies in groups 0, 1 and the powers of 3, 5 and 7."""
    return group <= 1 or any(group == base ** n for base in (3, 5, 7) for n in range(1, 14))
