# SPDX-License-Identifier: Apache-2.0
"""The plan is that of the recorded flashes: nine partitions in ascending order, six never; what does not fit is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from boards import emmc

from kiln.boards import rockusb
from kiln.errors import Refused
from kiln.flash import plan as room
from kiln.results import Images

pytestmark = pytest.mark.fast


def planned(images: Images, text: str = emmc.STOCK, sectors: int = emmc.SECTORS) -> room.Plan:
    new_table = rockusb.new_table(Path("/a b/parameter.txt"))
    return room.plan(images, emmc.rows(text).rows, command="scons product=rk3568 flash", sectors=sectors, mode=rockusb.MODE, new_table=new_table)


def test_the_plan_of_the_recorded_flashes(tmp_path: Path) -> None:
    made = planned(emmc.images(tmp_path, tuple(reversed(emmc.ALL))))
    assert [(one.name, one.start) for one in made.writes] == [
        ("uboot", 8192), ("resource", 28672), ("boot_linux", 40960), ("ramdisk", 237568), ("system", 245760), ("vendor", 4440064),
        ("updater", 6742016), ("chip_ckm", 6938624), ("userdata", 19955712)]
    assert made.untouched == ("misc", "bootctrl", "sys-prod", "chip-prod", "eng_system", "eng_chipset") and not made.new_table
    text = "\n".join(made.lines)
    assert "write    9 partitions, 879 KiB, about 1 min, in this order:" in text and "erased   userdata" in text
    assert "  0x00002000  uboot" in text and str(tmp_path / "uboot.img") in text and "sys_prod.img" not in text
    assert "never    misc, bootctrl, sys-prod, chip-prod, eng_system, eng_chipset; the table, the boot loader" in text
    assert "Maskrom" not in text and "mode     Loader: hold VOL/RECOVERY" in text


def test_a_model_partition_tells_how_to_a_new_table(tmp_path: Path) -> None:
    made = planned(emmc.images(tmp_path, ("vendor", "model"), emmc.WITH_MODEL), emmc.WITH_MODEL)
    assert [(one.name, one.start) for one in made.writes] == [("vendor", 0x43C000), ("model", 0x6BE000)]
    text = "\n".join(made.lines)
    assert "needs Maskrom mode; once, by hand:\n         1. hold the MaskRom key" in text and "erased" not in text
    assert "2. rkdeveloptool db MiniLoaderAll.bin" in text and "3. rkdeveloptool gpt '/a b/parameter.txt'" in text
    assert "userdata" in made.untouched


@pytest.mark.parametrize("start,said", [
    (b"\x3a\xff\x26\xed", "is an Android sparse image"), (b"\x31\x18\x10\x06", "is an UBIFS image"), (b"", "has 0 bytes instead of 100001")])
def test_an_image_that_makes_the_tool_erase_is_refused(tmp_path: Path, start: bytes, said: str) -> None:
    images = emmc.images(tmp_path, ("uboot",))
    images.outputs[1].file.write_bytes(start + b"x" * (100_001 - len(start)) if start else b"")
    with pytest.raises(Refused, match=said):
        planned(images)


def test_an_image_larger_than_its_partition(tmp_path: Path) -> None:
    """The tool itself does not look: the bytes would run into misc."""
    images = emmc.images(tmp_path, ("uboot",))
    size = 0x2000 * 512
    with images.outputs[1].file.open("r+b") as out:
        out.truncate(size + 1)
    outputs = tuple(replace(one, size=size + 1) for one in images.outputs)
    with pytest.raises(Refused, match=f"uboot.img: has {size + 1} bytes, its partition {size}; it would run into the next"):
        planned(replace(images, outputs=outputs))


def test_the_last_partition_ends_before_the_second_table(tmp_path: Path) -> None:
    images = emmc.images(tmp_path, ("userdata",))
    sectors = -(-images.outputs[1].size // 512)
    assert planned(images, sectors=0x1308000 + sectors + 33).writes
    with pytest.raises(Refused, match="would run into"):
        planned(images, sectors=0x1308000 + sectors + 32)


def test_what_is_not_there_or_not_known(tmp_path: Path) -> None:
    images = emmc.images(tmp_path, ("uboot", "model"))
    with pytest.raises(Refused, match="there is no partition model in the table"):
        planned(images)
    with pytest.raises(Refused, match="has a partition boot_b, of which we do not know"):
        planned(images, "0x2000@0x2000(uboot),0x2000@0x4000(boot_b)")
    with pytest.raises(Refused, match="no partition images to write; image.formats of the product must hold directory"):
        planned(emmc.images(tmp_path, ("sys-prod",)))
    images.outputs[1].file.unlink()
    with pytest.raises(Refused, match="uboot.img: cannot be read: No such file"):
        planned(images)
