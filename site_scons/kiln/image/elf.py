# SPDX-License-Identifier: Apache-2.0
"""What a program or library asks of the board that loads it: machine, loader, libraries, symbols. Read as hostile bytes.

Of the ELF format (System V ABI) only what a dynamic loader looks at, from the section headers that `strip` leaves.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kiln.errors import ImageError

MACHINES = {"arm64-v8a": (64, 183), "armeabi-v7a": (32, 40), "x86_64": (64, 62)}
NAMES = {183: "AArch64", 40: "ARM", 62: "x86-64", 3: "x86"}
_INTERP, _DYNAMIC, _DYNSYM = 3, 6, 11
_NEEDED, _SONAME, _RPATH, _RUNPATH = 1, 14, 15, 29
_MOST = 1 << 20                        # symbols, dynamic entries


@dataclass(frozen=True)
class Program:
    """`wants` are the symbols that something else must give (weak ones aside), `gives` those that it has."""

    bits: int
    machine: int
    interpreter: str
    soname: str
    runpath: tuple[str, ...]
    needed: tuple[str, ...]
    wants: frozenset[str]
    gives: frozenset[str]


@dataclass(frozen=True)
class _Section:
    name: int
    kind: int
    offset: int
    size: int
    link: int
    entry: int


def is_elf(data: bytes) -> bool:
    """Whether it claims to be an ELF file."""
    return data[:4] == b"\x7fELF"


def read(data: bytes, where: str) -> Program:
    """What it says of itself. Raises ImageError for a file that is damaged or lies about its own size."""
    try:
        return _parsed(data)
    except (struct.error, ArithmeticError, LookupError, ValueError) as error:
        raise ImageError("is a damaged ELF file", where=where) from error


def _parsed(data: bytes) -> Program:
    if data[4] not in (1, 2) or data[5] != 1:
        raise ValueError
    wide = data[4] == 2
    machine = struct.unpack_from("<H", data, 18)[0]
    at, = struct.unpack_from("<Q" if wide else "<I", data, 0x28 if wide else 0x20)
    size, count, _ = struct.unpack_from("<HHH", data, 0x3A if wide else 0x2E)
    form = "<IIQQQQIIQQ" if wide else "<IIIIIIIIII"
    if size < struct.calcsize(form) or at + size * count > len(data):
        raise ValueError
    rows = [struct.unpack_from(form, data, at + n * size) for n in range(count)]
    sections = [_Section(row[0], row[1], row[4], row[5], row[6], row[9]) for row in rows]
    interpreter = next((_bytes(data, one) for one in _programs(data, wide) if one.kind == _INTERP), b"")
    tags = _tags(data, sections, wide)
    wants, gives = _symbols(data, sections, wide)
    return Program(64 if wide else 32, machine, interpreter.rstrip(b"\0").decode("ascii"), next(iter(tags.get(_SONAME, [])), ""),
                   tuple(part for text in tags.get(_RUNPATH, tags.get(_RPATH, [])) for part in text.split(":") if part),
                   tuple(tags.get(_NEEDED, [])), wants, gives)


def _bytes(data: bytes, one: _Section) -> bytes:
    if one.offset + one.size > len(data):
        raise ValueError
    return data[one.offset:one.offset + one.size]


def _programs(data: bytes, wide: bool) -> list[_Section]:
    """The program headers, as far as a section has the same fields."""
    at, = struct.unpack_from("<Q" if wide else "<I", data, 0x20 if wide else 0x1C)
    size, count = struct.unpack_from("<HH", data, 0x36 if wide else 0x2A)
    rows = [struct.unpack_from("<IIQQQQ" if wide else "<IIIIII", data, at + n * size) for n in range(count)]
    return [_Section(0, row[0], row[2], row[5], 0, 0) if wide else _Section(0, row[0], row[1], row[4], 0, 0) for row in rows]


def _tags(data: bytes, sections: list[_Section], wide: bool) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    one = next((part for part in sections if part.kind == _DYNAMIC), None)
    if one is None:
        return found
    names, raw, step = _bytes(data, sections[one.link]), _bytes(data, one), 16 if wide else 8
    for tag, value in struct.iter_unpack("<qQ" if wide else "<iI", raw[:len(raw) // step * step]):
        if tag == 0:
            break
        if tag in (_NEEDED, _SONAME, _RPATH, _RUNPATH):
            found.setdefault(tag, []).append(_text(names, value))
    return found


def _symbols(data: bytes, sections: list[_Section], wide: bool) -> tuple[frozenset[str], frozenset[str]]:
    wants, gives = set(), set()
    for one in sections:
        if one.kind != _DYNSYM:
            continue
        step = 24 if wide else 16
        names, raw = _bytes(data, sections[one.link]), _bytes(data, one)
        if len(raw) // step > _MOST:
            raise ValueError
        for row in struct.iter_unpack("<IBBHQQ" if wide else "<IIIBBH", raw[:len(raw) // step * step]):
            name, info, shndx = (row[0], row[1], row[3]) if wide else (row[0], row[3], row[5])
            if shndx:
                gives.add(_text(names, name))
            elif name and info >> 4 == 1:      # global; a weak one may stay unresolved
                wants.add(_text(names, name))
    return frozenset(wants), frozenset(gives)


def _text(names: bytes, at: int) -> str:
    end = names.index(b"\0", at)
    return names[at:min(end, at + 4096)].decode("ascii", "replace")
