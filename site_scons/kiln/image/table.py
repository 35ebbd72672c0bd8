# SPDX-License-Identifier: Apache-2.0
"""Rockchip's parameter.txt: the partition table as text, read as hostile input and written with one row more.

Lines `KEY: value`; the table stands in CMDLINE as `mtdparts=<device>:<size>@<start>(<name>[:flag]...),...` in sectors
of 512 bytes, hexadecimal, `-` for the rest of the disk; then `uuid:<name>=<guid>` lines. Everything that we do not
change is written back as it was read, byte for byte.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kiln.errors import ImageError, Refused, one_line
from kiln.results import BACKUP, SECTOR, Partition

__all__ = ["BACKUP", "SECTOR", "Table", "add", "ends", "hole", "parse", "read"]
LARGEST = 64 << 10                     # the real file has 788 bytes
MOST_ROWS = 64
LAST_SECTOR = 1 << 40                  # 512 TiB: sums of two such numbers stay far from any overflow
_LIST = re.compile(r"mtdparts=[A-Za-z0-9_.-]{1,32}:(?P<rows>\S+)")
_ROW = re.compile(r"(?P<size>-|0[xX][0-9a-fA-F]{1,16})@(?P<start>0[xX][0-9a-fA-F]{1,16})"
                  r"\((?P<name>[A-Za-z0-9][A-Za-z0-9_-]{0,34})(?P<flags>(?::[a-z]{1,16}){0,4})\)")
_GUID = re.compile(r"^uuid:(?P<name>[^=\s]{1,35})=(?P<guid>[0-9a-fA-F-]{32,36})\s*$", re.M)


@dataclass(frozen=True)
class Table:
    """The rows in the order of the disk, and the text that they were read from."""

    rows: tuple[Partition, ...]
    text: str

    def row(self, name: str) -> Partition | None:
        """The row of that name, or None."""
        return next((row for row in self.rows if row.name == name), None)


def read(file: Path) -> Table:
    """The table of a parameter.txt. Raises ImageError in one line naming the file and the row."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(LARGEST + 1)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}", where=file, hint="a base needs a parameter.txt beside its images") from error
    return parse(raw, where=file)


def parse(text: str | bytes, where: object = "parameter.txt") -> Table:
    """The table in `text`. Rows must ascend and not overlap: Rockchip's flasher refuses a table that goes back."""
    if len(text) > LARGEST:
        raise ImageError(f"is larger than {LARGEST} bytes", where=where, hint="a parameter.txt is a page of text")
    try:
        plain = text.decode("ascii") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise ImageError("is not ASCII text", where=where, hint="expected Rockchip's parameter.txt") from error
    lists = list(_LIST.finditer(plain))
    if len(lists) != 1:
        raise ImageError(f"has {len(lists)} mtdparts= lists instead of one", where=where, hint="expected Rockchip's parameter.txt, TYPE: GPT")
    rows = [_row(item, where) for item in lists[0]["rows"].split(",")]
    _ordered(rows, where)
    return Table(tuple(_with_guids(rows, plain, where)), plain)


def _row(item: str, where: object) -> Partition:
    found = _ROW.fullmatch(item)
    if not found:
        raise ImageError(f"row {one_line(item, 80)!r} is not <size>@<start>(<name>[:flag])", where=where,
                         hint="numbers are hexadecimal with 0x, in sectors of 512 bytes")
    start = int(found["start"], 16)
    size = 0 if found["size"] == "-" else int(found["size"], 16)
    flags = tuple(filter(None, found["flags"].split(":")))
    if found["size"] != "-" and not 0 < size < LAST_SECTOR or start >= LAST_SECTOR:
        raise ImageError(f"partition {found['name']}: size {found['size']} at {found['start']} is out of range", where=where)
    return Partition(found["name"], start, size, None, "", flags)


def _ordered(rows: list[Partition], where: object) -> None:
    if len(rows) > MOST_ROWS:
        raise ImageError(f"has {len(rows)} partitions; at most {MOST_ROWS} are sensible", where=where)
    for one, two in zip(rows, rows[1:], strict=False):
        if not one.size:
            raise ImageError(f"partition {one.name} takes the rest of the disk and is not the last", where=where)
        if two.start < one.start + one.size:
            raise ImageError(f"partition {two.name} starts at {two.start:#x}, inside {one.name} which ends at {one.start + one.size:#x}",
                             where=where, hint="rows must ascend and not overlap")
    names = [row.name for row in rows]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ImageError(f"partition {twice} is there twice", where=where)


def _with_guids(rows: list[Partition], text: str, where: object) -> list[Partition]:
    guids: dict[str, str] = {}
    for found in _GUID.finditer(text):
        name = found["name"]
        if name in guids or name not in {row.name for row in rows}:
            raise ImageError(f"uuid line for {one_line(name, 40)!r}, which is {'there twice' if name in guids else 'no partition'}", where=where)
        try:
            guids[name] = str(uuid.UUID(found["guid"]))
        except ValueError as error:
            raise ImageError(f"uuid of {name} is not 32 hexadecimal digits", where=where) from error
    return [replace(row, guid=guids.get(row.name, "")) for row in rows]


def hole(table: Table) -> tuple[int, int]:
    """The largest free span between two partitions as (start, sectors), start on a MiB; (0, 0) if there is none."""
    spans = [(0, 0)]
    for one, two in zip(table.rows, table.rows[1:], strict=False):
        start = -(-(one.start + one.size) // 2048) * 2048
        spans.append((start, max(0, two.start - start)))
    return max(spans, key=lambda span: span[1])


def ends(rows: Sequence[Partition], sectors: int) -> list[tuple[Partition, int]]:
    """Each row with its last sector on a disk of so many. Raises Refused for a row that the disk does not hold."""
    last = sectors - BACKUP
    made = [(row, row.start + row.size - 1 if row.size else last) for row in rows]
    for row, end in made:
        if not BACKUP <= row.start <= end <= last:
            raise Refused(f"partition {row.name} ends at sector {max(end, row.start)}, the disk of {sectors} sectors has {BACKUP} to {last}",
                          where="board.emmc", hint="board.emmc must hold the table of the base")
    return made


def add(table: Table, row: Partition) -> Table:
    """The table with one row more, put in its place: one item of the list and a uuid line; the rest of the text stays."""
    after = max((index for index, old in enumerate(table.rows) if old.start < row.start), default=-1)
    found = _LIST.search(table.text)
    assert found is not None           # parse() made this table
    items = found["rows"].split(",")
    flags = "".join(f":{flag}" for flag in row.flags)
    items.insert(after + 1, f"0x{row.size:08x}@0x{row.start:08x}({row.name}{flags})")
    text = table.text[:found.start("rows")] + ",".join(items) + table.text[found.end("rows"):]
    if row.guid:
        end = "\r\n" if "\r\n" in text else "\n"
        text = text.rstrip("\r\n") + f"{end}uuid:{row.name}={row.guid}{end}"
    return parse(text)
