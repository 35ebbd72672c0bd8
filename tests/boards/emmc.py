# SPDX-License-Identifier: Apache-2.0
"""A board to flash that is a sparse file with the real table, the images for it, and the played rkdeveloptool in front."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kiln.boards import rockusb
from kiln.flash.plan import WRITTEN, Plan, plan
from kiln.image import table
from kiln.results import Images, Output

SECTORS = 61071360                     # of the real eMMC
ROWS = ("0x2000@0x2000(uboot),0x2000@0x4000(misc),0x1000@0x6000(bootctrl),0x3000@0x7000(resource),0x30000@0xA000(boot_linux:bootable),"
        "0x2000@0x3A000(ramdisk),0x400000@0x3C000(system),0x200000@0x43C000(vendor),0x19000@0x63C000(sys-prod),0x19000@0x655000(chip-prod),"
        "0x10000@0x66E000(updater),0x8000@0x67E000(eng_system),0x8000@0x686000(eng_chipset),0x20000@0x69E000(chip_ckm),{model}-@0x1308000(userdata:grow)")
STOCK = ROWS.format(model="")
WITH_MODEL = ROWS.format(model="0xC00000@0x6BE000(model),")
ALL = ("uboot", "resource", "boot_linux", "ramdisk", "system", "vendor", "sys-prod", "chip-prod", "updater", "chip_ckm", "userdata")
FEW = ("uboot", "vendor", "sys-prod")


def rows(text: str = STOCK) -> table.Table:
    """The real table, or another list of rows."""
    return table.parse(f"TYPE: GPT\nCMDLINE: mtdparts=rk29xxnand:{text}\n")


def images(folder: Path, names: tuple[str, ...], text: str = STOCK) -> Images:
    """A small image of each partition, no two alike, none a whole number of sectors; with parameter.txt."""
    folder.mkdir(exist_ok=True)
    parameter = folder / "parameter.txt"
    parameter.write_text(rows(text).text)
    outputs = [Output(parameter, "directory", parameter.stat().st_size, "")]
    for number, name in enumerate(names, 1):
        file = folder / f"{name.replace('-', '_')}.img"
        data = (f"{name} ".encode() * 40000)[:100_000 + number]
        file.write_bytes(data)
        outputs.append(Output(file, "directory", len(data), hashlib.sha256(data).hexdigest(), name))
    return Images(tuple(outputs), folder, "")


def gpt(text: str, sectors: int = SECTORS) -> bytes:
    """Sectors 1 to 33 as rkdeveloptool makes them: types and GUIDs at random, `grow` up to 34 sectors before the end."""
    head = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, 1, sectors - 1, 34, sectors - 34, b"d" * 16, 2, 128, 128, 0)
    ends = table.ends(rows(text).rows, SECTORS)
    body = b"".join(struct.pack("<16s16sQQQ72s", b"t" * 16, b"%16d" % number, row.start, min(end, sectors - 34), 0, row.name.encode("utf-16-le"))
                    for number, (row, end) in enumerate(ends))
    return head.ljust(512, b"\0") + body.ljust(32 * 512, b"\0")


class Emmc:
    """The folder of the played tool. Every test ends with sealed(): no transfer touched a protected sector."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.log = folder, folder / "logs" / "flash.log"
        self.log.parent.mkdir()
        with (folder / "emmc").open("wb") as out:
            out.truncate(SECTORS * 512)
        monkeypatch.setenv("PLAYED", str(folder))
        # The base Python by its own folder: one found through a version manager's shim takes 50 ms more for each call.
        front = (str(Path(__file__).parent / "bin"), f"{sys.base_prefix}/bin", os.environ["PATH"])
        monkeypatch.setenv("PATH", os.pathsep.join(front))
        self.board = rockusb.Rockusb(self.log, WRITTEN)
        self.play()

    def play(self, *, mode: str = "Loader", text: str = STOCK, window: int = 65536, fault: Mapping[str, Any] | None = None,
             disk: str = "", sectors: int = SECTORS) -> None:
        """Set the scene. `disk` is another table than the tool tells, in the GPT of a disk of so many sectors."""
        with (self.folder / "emmc").open("r+b") as out:
            out.seek(512)
            out.write(gpt(disk or text, sectors))
        listed = [[row.name, row.start] for row in rows(text).rows]
        (self.folder / "board.json").write_text(json.dumps({"mode": mode, "table": listed, "window": window, "fault": fault or {}}))

    def plan(self, names: tuple[str, ...] = FEW, text: str = STOCK) -> Plan:
        """A plan for images of these partitions."""
        made = images(self.folder / "images", names, text)
        return plan(made, rows(text).rows, command="scons product=rk3568 flash", sectors=SECTORS, mode=rockusb.MODE, new_table=rockusb.new_table(made.outputs[0].file))

    @property
    def calls(self) -> list[list[str]]:
        """Every command that the tool was given."""
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def writes(self) -> list[tuple[int, int]]:
        """Every transfer to the disk: first sector, sectors."""
        file = self.folder / "writes"
        pairs = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
        return [(int(start), int(count)) for start, count in pairs]

    def at(self, sector: int, size: int) -> bytes:
        """What the disk holds."""
        with (self.folder / "emmc").open("rb") as disk:
            disk.seek(sector * 512)
            return disk.read(size)

    def sealed(self) -> None:
        """No command but six, and each transfer lies inside one partition that may be written."""
        assert {call[0] for call in self.calls} <= {"-v", "ld", "ppt", "wlx", "rl", "rd"}
        ends = table.ends(rows(WITH_MODEL).rows, SECTORS)
        for start, count in self.writes:
            assert any(row.start <= start and start + count - 1 <= end and row.name in WRITTEN for row, end in ends), (start, count)
