# SPDX-License-Identifier: Apache-2.0
"""parameter.txt: the real grammar understood, one row added and nothing else changed, nonsense refused in one line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from image.made import ROWS, SYSTEM_GUID, parameter

from kiln.errors import ImageError
from kiln.image import table
from kiln.results import Partition

pytestmark = pytest.mark.fast

# The rows of the DAYU200's own file, in sectors.
DAYU200 = (
    ("uboot", 0x2000, 0x2000, ""), ("misc", 0x4000, 0x2000, ""), ("bootctrl", 0x6000, 0x1000, ""), ("resource", 0x7000, 0x3000, ""),
    ("boot_linux", 0xA000, 0x30000, ":bootable"), ("ramdisk", 0x3A000, 0x2000, ""), ("system", 0x3C000, 0x400000, ""),
    ("vendor", 0x43C000, 0x200000, ""), ("sys-prod", 0x63C000, 0x19000, ""), ("chip-prod", 0x655000, 0x19000, ""),
    ("updater", 0x66E000, 0x10000, ""), ("eng_system", 0x67E000, 0x8000, ""), ("eng_chipset", 0x686000, 0x8000, ""),
    ("chip_ckm", 0x69E000, 0x20000, ""), ("userdata", 0x1308000, 0, ":grow"))


def test_the_real_table_is_understood() -> None:
    made = table.parse(parameter(DAYU200))
    assert [row.name for row in made.rows] == [name for name, *_ in DAYU200]
    assert made.row("boot_linux") == Partition("boot_linux", 0xA000, 0x30000, None, "", ("bootable",))
    assert made.rows[6].guid == SYSTEM_GUID and made.rows[-1].flags == ("grow",) and made.rows[-1].size == 0
    assert table.hole(made) == (0x6BE000, 0xC4A000)         # 6.14 GiB that the A/B layout would use


def test_a_row_is_added_and_nothing_else_changes() -> None:
    before = table.parse(parameter(DAYU200).replace("\n", "\r\n"))
    guid = "12345678-1234-5678-9234-567812345678"
    after = table.add(before, Partition("model", 0x6BE000, 0xC4A000, None, guid))
    assert [row.name for row in after.rows][-3:] == ["chip_ckm", "model", "userdata"]
    assert after.row("model") == Partition("model", 0x6BE000, 0xC4A000, None, guid)
    assert after.text == before.text.replace(",-@0x01308000", ",0x00c4a000@0x006be000(model),-@0x01308000") + f"uuid:model={guid}\r\n"
    assert table.hole(after)[1] == 0x10000                  # what is left: the gap before chip_ckm


def test_a_row_is_added_where_no_line_ends() -> None:
    after = table.add(table.parse("CMDLINE: mtdparts=x:0x10@0x40(a)"), Partition("b", 0x50, 0x10, None, SYSTEM_GUID))
    assert [row.name for row in after.rows] == ["a", "b"] and after.text.endswith(f"(b)\nuuid:b={SYSTEM_GUID}\n")


def mtd(rows: str) -> str:
    return f"FIRMWARE_VER: 11.0\nCMDLINE: mtdparts=rk29xxnand:{rows}\n"


@pytest.mark.parametrize("text,says", [
    ("", "0 mtdparts= lists"),
    (mtd("0x10@0x20(a)") * 2, "2 mtdparts= lists"),
    (mtd("0x10@0x20(a),0x10@0x28(b)"), "partition b starts at 0x28, inside a"),
    (mtd("0x10@0x40(a),0x10@0x20(b)"), "partition b starts at 0x20"),
    (mtd("0x10@0x20(a),0x10@0x40(a)"), "partition a is there twice"),
    (mtd("-@0x20(a),0x10@0x40(b)"), "takes the rest of the disk and is not the last"),
    (mtd("0x0@0x20(a)"), "out of range"),
    (mtd("0xffffffffffffffff@0x20(a)"), "out of range"),
    (mtd("0x10@0xffffffffffffffff(a)"), "out of range"),
    (mtd("16@32(a)"), "numbers are hexadecimal"),
    (mtd("0x10@0x20(../../etc)"), "is not <size>@<start>"),
    (mtd("0x10@0x20(-a)"), "is not <size>@<start>"),
    (mtd("0x10@0x20(a;rm)"), "is not <size>@<start>"),
    (mtd("0x10@0x20(a:\x1b[31m)"), "is not <size>@<start>"),
    (mtd("0x10@0x20(" + "a" * 36 + ")"), "is not <size>@<start>"),
    (mtd(","), "is not <size>@<start>"),
    (mtd(",".join(f"0x1@0x{n:x}(p{n})" for n in range(1, 80))), "has 79 partitions"),
    (mtd("0x10@0x20(a)") + "uuid:b=614e0000-0000-4b53-8000-1d28000054a9\n", "no partition"),
    (mtd("0x10@0x20(a)") + "uuid:a=614e0000-0000-4b53-8000-1d28000054a9\n" * 2, "there twice"),
    (mtd("0x10@0x20(a)") + "uuid:a=------------------------------------\n", "32 hexadecimal digits"),
    ("x" * 70_000, "larger than 65536 bytes"),
    (b"mtdparts=\xff\xfe", "not ASCII"),
])
def test_nonsense_is_refused_in_one_line(text: str | bytes, says: str) -> None:
    with pytest.raises(ImageError) as caught:
        table.parse(text)
    assert says in str(caught.value) and "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="parameter.txt: cannot be read: No such file"):
        table.read(tmp_path / "parameter.txt")


def test_a_thousand_broken_tables_raise_nothing_else() -> None:
    random.seed(4)
    text = parameter()
    for _ in range(1000):
        at = random.randrange(len(text))
        broken = text[:at] + random.choice(["", ",", "0x", "(", ")", "@", "-", "\0", "\n", ":", "9" * 30]) + text[at + random.randrange(9):]
        try:
            rows = table.parse(broken).rows
        except ImageError:
            continue
        assert all(one.start + one.size <= two.start for one, two in zip(rows, rows[1:], strict=False))
        assert len(rows) >= len(ROWS) - 1
