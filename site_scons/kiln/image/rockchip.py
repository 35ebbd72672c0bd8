# SPDX-License-Identifier: Apache-2.0
"""Rockchip's update.img: the heads, wrappers and checksums of RKAF (every partition) and RKFW (a loader and an RKAF).

All numbers are little endian. The formats are not published: fields and limits are as rkflashtool, rockchip-mkbootimg,
apftool-rs and the sources of Rockchip's flasher read them.
"""

from __future__ import annotations

import functools
import re
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kiln.errors import ImageError, Refused, one_line
from kiln.results import LOADER as LOADER

UNIT = 2048                            # every part of an RKAF starts on such a boundary
NOWHERE = 0xFFFFFFFF                   # the sector of what is not flashed; the size of what takes the rest of the disk
PLAIN = 16                             # items that every reader knows; more are told in an extension
_LARGEST_LOADER = 16 << 20             # the real one has 455,104 bytes
_TOOL = 0x02000000                     # the version of Rockchip's merging tool for RK356x and RK3588
_ANDROID = 1                           # what rkImageMaker writes for -os_type:androidos
_HEAD = struct.Struct("<4sI34s30s60sII")
_ITEM = struct.Struct("<32s60s5I")
_WRAP = struct.Struct("<4sHIIHBBBBB4sIIII61s")
_LOW = 0xFFFFFFFF


@dataclass(frozen=True)
class Item:
    """One part of an RKAF: where it is flashed (sectors of 512 bytes) and its bytes, or the file that holds them."""

    name: str
    file: str
    sectors: int
    sector: int
    data: Path | bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data) if isinstance(self.data, bytes) else self.data.stat().st_size


@functools.cache
def _model() -> Any:
    import anycrc

    # Not the CRC-32 of GPT: its polynomial has a digit of its own, and nothing is reflected or inverted.
    return anycrc.CRC(32, 0x04C10DB7, 0, False, False, 0)


def crc(data: bytes, before: int = 0) -> int:
    """Rockchip's checksum of `data`, after bytes whose checksum is `before`; of b"123456789" it is 0x889A9615."""
    return int(_model().calc(data, before))


def parm(text: bytes) -> bytes:
    """A parameter.txt as it lies in an RKAF; Rockchip's flasher takes off 8 bytes before it and 4 after."""
    return struct.pack("<4sI", b"PARM", len(text)) + text + struct.pack("<I", crc(text))


def setting(text: str, key: str, limit: int) -> str:
    """The value of a `KEY: value` line of parameter.txt, of at most `limit` bytes."""
    found = re.search(rf"^{key}:[ \t]*(\S.*?)[ \t]*\r?$", text, re.M)
    if not found:
        raise ImageError(f"has no {key}", where="parameter.txt", hint="an update.img names it; expected Rockchip's parameter.txt")
    if len(found[1]) > limit:
        raise ImageError(f"{key} {one_line(found[1], 60)!r} has over {limit} characters", where="parameter.txt", hint="an update.img has no room for it")
    return found[1]


def version(text: str) -> int:
    """FIRMWARE_VER `a.b` or `a.b.c` as a number: a in the top byte, b in the next, c below."""
    said = setting(text, "FIRMWARE_VER", 11)
    found = re.fullmatch(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,5}))?", said, re.A)
    a, b, c = (int(part or 0) for part in found.groups()) if found else (256, 0, 0)
    if a > 0xFF or b > 0xFF or c > 0xFFFF:
        raise ImageError(f"FIRMWARE_VER {one_line(said)!r} is not a version", where="parameter.txt", hint="expected 255.255.65535 at most, as 11.0")
    return a << 24 | b << 16 | c


def layout(items: Sequence[Item]) -> tuple[tuple[int, ...], int]:
    """The offset of each item in the RKAF, and the length of the whole without its checksum."""
    at, offsets = _padded(_HEAD.size + _ITEM.size * len(items)), []
    for item in items:
        offsets.append(at)
        at += _padded(item.size)
    return tuple(offsets), at


def rkaf_head(text: str, items: Sequence[Item]) -> bytes:
    """The head of an RKAF with its table of items; `text` is parameter.txt, which names the machine.

    Rockchip's readers add the count of the extension (at the end of the manufacturer) to the plain one; others stop at 16.
    """
    offsets, length = layout(items)
    more = max(0, len(items) - PLAIN)
    maker = setting(text, "MANUFACTURER", 55).encode().ljust(56, b"\0") + (struct.pack("<BBH", 0x55, 0x66, more) if more else b"")
    head = _HEAD.pack(b"RKAF", length & _LOW, setting(text, "MACHINE_MODEL", 33).encode(), setting(text, "MACHINE_ID", 29).encode(),
                      maker, version(text), min(len(items), PLAIN))
    table = head + b"".join(_row(item, offset) for item, offset in zip(items, offsets, strict=True))
    return table.ljust(_padded(len(table)), b"\0")


def _row(item: Item, offset: int) -> bytes:
    """An item's row. A high half of offset or size stands in the end of the file name, marked by an H."""
    if len(item.name) > 31 or len(item.file) > 49:
        raise ImageError(f"partition {item.name}: an update.img has room for names of 31 characters and files of 49", where="parameter.txt")
    file = bytearray(item.file.encode().ljust(60, b"\0"))
    for at, number in ((50, offset), (55, item.size)):
        if number > _LOW:
            struct.pack_into("<cI", file, at, b"H", number >> 32)
    return _ITEM.pack(item.name.encode(), bytes(file), item.sectors, offset & _LOW, item.sector, -(-item.size // UNIT), item.size & _LOW)


def rkfw_head(text: str, epoch: int, loader: bytes, size: int) -> bytes:
    """The head of an RKFW around a loader and an RKAF of `size` bytes with its checksum; `epoch` is its only time."""
    day = time.gmtime(epoch)
    high = b"HI" + struct.pack("<I", size >> 32) if size > _LOW else b""
    rest = struct.pack("<4xI6x", _ANDROID) + high
    return _WRAP.pack(b"RKFW", _WRAP.size, version(text), _TOOL, *day[:6], loader[21:25], _WRAP.size, len(loader),
                      _WRAP.size + len(loader), size & _LOW, rest)


def loader(table: Path) -> bytes:
    """The loader that lies beside parameter.txt, whole. Raises Refused if there is none, ImageError if it is broken."""
    file = table.with_name(LOADER)
    try:
        with file.open("rb") as stream:
            raw = stream.read(_LARGEST_LOADER + 1)
    except FileNotFoundError as error:
        raise Refused(f"the base has no {LOADER}", where="image.formats",
                      hint="lay the one of a DAYU200 base beside parameter.txt; or leave rkaf and rkfw out: directory, sparse and gpt do without") from error
    if raw[:4] not in (b"LDR ", b"BOOT") or not _WRAP.size < len(raw) <= _LARGEST_LOADER:
        raise ImageError("is no Rockchip loader", where=LOADER, hint="expected one that begins with `LDR ` or `BOOT`")
    if struct.pack("<I", crc(raw[:-4])) != raw[-4:]:
        raise ImageError("its checksum is wrong", where=LOADER, hint="it is cut short or damaged: fetch the base again")
    return raw


def _padded(size: int) -> int:
    return -(-size // UNIT) * UNIT
