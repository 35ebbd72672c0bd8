# SPDX-License-Identifier: Apache-2.0
"""The plan of a flash, made without a board: which partitions, from which file, in which order, and what is never touched.

The names that may be written are those of the recorded flashes that ended in a board that starts, and the model's;
the ones never written hold what belongs to the single board (boot state, serial number's chips, engineering data).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln.errors import Refused
from kiln.progress import amount
from kiln.results import BACKUP, MODEL, SECTOR, Images, Output, Partition

WRITTEN = ("uboot", "resource", "boot_linux", "ramdisk", "system", "vendor", "updater", "chip_ckm", MODEL, "userdata")
ERASED = "userdata"                    # what its user keeps on the board: its own consent, as the recorded practice has it
PROTECTED = ("misc", "bootctrl", "sys-prod", "chip-prod", "eng_system", "eng_chipset")
SPEED = 14.5e6                         # bytes/s: the slowest undisturbed 2 GiB recorded
_UNRAW = {b"\x3a\xff\x26\xed": "Android sparse", b"\x31\x18\x10\x06": "UBIFS"}


@dataclass(frozen=True)
class Write:
    """One partition to write: `size` bytes of `file` from sector `start`."""

    name: str
    file: Path
    size: int
    sha256: str
    start: int


@dataclass(frozen=True)
class Plan:
    """What flash() does, in this order. `table` is what the board must have: (name, first sector).

    `command` is what shows this plan; with a word more it carries it out. `mode` says how a person brings the board into the mode in which it is written; `new_table` how a board without the
    model partition gets it, step by step, empty where the plan has no such partition.
    """

    command: str
    writes: tuple[Write, ...]
    table: tuple[tuple[str, int], ...]
    mode: str
    new_table: tuple[str, ...]

    @property
    def untouched(self) -> tuple[str, ...]:
        """The partitions that are not written, whether or not there is an image of them."""
        return tuple(name for name, _ in self.table if name not in {one.name for one in self.writes})

    @property
    def size(self) -> int:
        """Bytes of all writes."""
        return sum(one.size for one in self.writes)

    @property
    def consent(self) -> str:
        """The value of `yes` that lets this plan be carried out: the name of what it erases, else 1."""
        return ERASED if any(one.name == ERASED for one in self.writes) else "1"

    @property
    def again(self) -> str:
        """What repairs a board left half written: all of the plan anew, never the rest of it."""
        return f"the board may not start now: write all of it again with {self.command} yes={self.consent}, in Loader mode ({self.mode})"

    @property
    def lines(self) -> tuple[str, ...]:
        """The plan for a person."""
        rows = [f"  {one.start:#010x}  {one.name:<10}  {amount(one.size):>8}  {one.file}" for one in self.writes]
        erased = [f"erased   {ERASED}: all that its user keeps on the board; yes=1 is not enough for that"] if self.consent == ERASED else []
        table = [f"table    a board that has no partition {MODEL} yet needs a new table, and that needs Maskrom mode; once, by hand:",
                 *(f"         {number}. {step}" for number, step in enumerate(self.new_table, 1))]
        return (f"write    {len(rows)} partitions, {amount(self.size)}, about {max(1, round(self.size / SPEED / 60))} min, in this order:",
                *rows, *erased, f"never    {', '.join(self.untouched)}; the table, the boot loader, what lies between partitions",
                *(table if self.new_table else ()), "then     what the board lets be read back is compared, and the board is reset",
                f"mode     Loader: {self.mode}")


def plan(images: Images, table: Sequence[Partition], *, command: str, sectors: int, mode: str, new_table: Sequence[str],
         ours: Collection[str] = ()) -> Plan:
    """What to write on a board with this table and a disk of so many sectors. Raises Refused for what must not be tried.

    `ours` are the partitions that the build put files into: one that is never written would leave the board without them.
    """
    if lost := sorted({*ours} & {*PROTECTED}):
        raise Refused(f"the build put files into {', '.join(lost)}, which is never written: the board would lack them",
                      hint="give them a place in vendor or system")
    strange = next((row.name for row in table if row.name not in (*WRITTEN, *PROTECTED)), None)
    if strange:
        raise Refused(f"the table has a partition {strange}, of which we do not know whether it may be written")
    rooms = _rooms(table, sectors)
    writes = sorted((_write(one, rooms) for one in images.outputs
                     if one.format == "directory" and one.partition and one.partition not in PROTECTED), key=lambda one: one.start)
    if not writes:
        raise Refused("there are no partition images to write", hint="image.formats of the product must hold directory")
    return Plan(command, tuple(writes), tuple((row.name, row.start) for row in table), mode,
                tuple(new_table) if MODEL in rooms else ())


def _rooms(table: Sequence[Partition], sectors: int) -> dict[str, tuple[int, int]]:
    """First sector and sectors of each partition; at most up to the next one, whatever its row says."""
    ends = [*(row.start for row in table[1:]), sectors - BACKUP + 1]
    return {row.name: (row.start, min(end - row.start, row.size or end)) for row, end in zip(table, ends, strict=True)}


def _write(one: Output, rooms: dict[str, tuple[int, int]]) -> Write:
    """The tool itself would let a large image run into the next partition, and erases before it writes some that are not raw."""
    if one.partition not in rooms:
        raise Refused(f"there is no partition {one.partition} in the table", where=one.file)
    start, room = rooms[one.partition]
    try:
        with one.file.open("rb") as stream:
            form, size = _UNRAW.get(stream.read(4)), stream.seek(0, 2)
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}", where=one.file) from error
    if form:
        raise Refused(f"is an {form} image, for which the board is erased first", where=one.file, hint="make it raw: simg2img")
    if not size or size != one.size:
        raise Refused(f"has {size} bytes instead of {one.size or 'some'}", where=one.file, hint="build the image again")
    if -(-size // SECTOR) > room:
        raise Refused(f"has {size} bytes, its partition {max(0, room) * SECTOR}", where=one.file, hint="it would run into the next partition")
    return Write(one.partition, one.file, size, one.sha256, start)
