# SPDX-License-Identifier: Apache-2.0
"""A flash of the played board: the right bytes in the right order, and whatever goes wrong, no protected sector is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from boards import emmc

from kiln import flash, product, results
from kiln.errors import KilnError, Refused
from kiln.flash.plan import Plan, Write
from kiln.tools import board as verb
from kiln.tools import settings

AGAIN = "scons product=rk3568 flash yes=1"


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[emmc.Emmc]:
    made = emmc.Emmc(tmp_path, monkeypatch)
    yield made
    made.sealed()


def flashed(played: emmc.Emmc, plan: Plan) -> flash.Done:
    return flash.flash(plan, played.board, scratch=played.log.parent)


def refused(played: emmc.Emmc, plan: Plan) -> str:
    """The one line of a flash that must fail."""
    with pytest.raises(KilnError) as raised:
        flashed(played, plan)
    assert "\n" not in str(raised.value) and ["rd"] not in played.calls
    return str(raised.value)


def test_all_nine_partitions_are_written_in_order(played: emmc.Emmc) -> None:
    plan = played.plan(emmc.ALL)
    done = flashed(played, plan)
    assert [call[1] for call in played.calls if call[0] == "wlx"] == [
        "uboot", "resource", "boot_linux", "ramdisk", "system", "vendor", "updater", "chip_ckm", "userdata"]
    assert all(played.at(one.start, one.size) == one.file.read_bytes() for one in plan.writes)
    assert done == flash.Done(("uboot", "resource", "boot_linux"), ("ramdisk", "system", "vendor", "updater", "chip_ckm", "userdata"), True)
    assert done.lines[1].startswith("unproven ramdisk, system") and played.calls[-1] == ["rd"]


def test_a_loader_without_a_window_lets_all_be_compared(played: emmc.Emmc) -> None:
    played.play(window=1 << 40, text=emmc.WITH_MODEL, fault={"deaf": 1})
    done = flashed(played, played.plan(("uboot", "model"), emmc.WITH_MODEL))
    assert done.compared == ("uboot", "model") and done.lines == ("compared uboot, model", "reset    not confirmed by the board: press RESET")


@pytest.mark.parametrize("scene,said", [
    ({"mode": "Maskrom"}, "is in Maskrom mode, not in Loader mode; nothing was written"),
    ({"text": emmc.WITH_MODEL}, "does not match: it has model at 0x6be000 where the plan has userdata at 0x1308000; nothing was written"),
    ({"text": emmc.STOCK.replace("0x6000(", "0x6800(").replace("0x1000@", "0x800@")}, "it has bootctrl at 0x6800 where the plan has bootctrl at 0x6000"),
    ({"text": "0x2000@0x2000(uboot)"}, "it has no more rows at 0x0 where the plan has misc at 0x4000; nothing was written"),
    ({"fault": {"not found": "uboot"}}, "partition uboot was not written: No found uboot partition; nothing was written")])
def test_before_the_first_write(played: emmc.Emmc, scene: dict[str, Any], said: str) -> None:
    played.play(**scene)
    assert said in refused(played, played.plan()) and not played.writes


def test_a_board_without_the_model_partition_is_told_how_to_get_it(played: emmc.Emmc) -> None:
    line = refused(played, played.plan(("uboot", "model"), emmc.WITH_MODEL))
    assert line.startswith("the board's table has no partition model; nothing was written; it needs the new table first: hold the MaskRom key")
    assert "rkdeveloptool gpt" in line and not played.writes


@pytest.mark.parametrize("scene,said", [
    ({"window": 0}, "the board's sector 1 cannot be read: every byte of it is 0xcc; nothing was written; bring it into Loader mode anew"),
    ({"disk": emmc.STOCK.replace("0x200000@0x43C000", "0x20@0x43C000")}, "partition vendor of the board has 16384 bytes, the image 100002; nothing was written"),
    ({"disk": emmc.STOCK.replace("0x2000@0x2000(uboot)", "0x1000@0x2800(uboot)")}, "the board's disk does not hold partition uboot at 0x2000; nothing was"),
    ({"sectors": 0x1308000 + 134}, "partition userdata of the board has 51712 bytes, the image 100003; nothing was written"),
    ({"fault": {"unreadable": 1}}, "the board cannot be read: Read LBA failed!; nothing was written")])
def test_the_table_on_the_disk_itself_decides_what_fits(played: emmc.Emmc, scene: dict[str, Any], said: str) -> None:
    """The tool tells no sizes, and writes past the end of a partition."""
    played.play(**scene)
    assert refused(played, played.plan(("uboot", "vendor", "userdata"))).startswith(said) and not played.writes


def test_a_disk_without_a_gpt(played: emmc.Emmc) -> None:
    with (played.folder / "emmc").open("r+b") as disk:
        disk.seek(512)
        disk.write(b"EFI PART" + b"\xff" * 500)
    assert "does not begin with a GPT of 128 rows; nothing was written" in refused(played, played.plan()) and not played.writes


def test_what_the_board_lacks_is_told_before_the_images_are_read(played: emmc.Emmc) -> None:
    plan = played.plan()
    plan.writes[1].file.unlink()
    played.play(mode="Maskrom")
    assert "Maskrom" in refused(played, plan)


def test_all_is_written_but_cannot_be_read_back(played: emmc.Emmc) -> None:
    played.play(fault={"unreadable after": 1})
    assert refused(played, played.plan()).startswith("all is written, but not compared: the board cannot be read: Read LBA failed!")


@pytest.mark.parametrize("fault,said", [
    ({"vendor": {"stop": 50, "gone": 1}}, "partition vendor is half written (65 % told): Write LBA failed!"),
    ({"vendor": {"stop": 50, "lies": 1}}, "partition vendor is half written (65 % told): the tool ended without a word"),
    ({"vendor": {"touch": 1}}, "partition vendor may hold anything: its file changed while it was written"),
    ({"gone before": "vendor"}, "partition vendor was not written: Did not find any rockusb device, please plug device in!; so far uboot of 2 partitions are written; "),
    ({"table after": [["uboot", 8192]]}, "the board's table does not match: it has no more rows at 0x0 where the plan has misc at 0x4000; so far uboot of 2")])
def test_half_way(played: emmc.Emmc, fault: dict[str, Any], said: str) -> None:
    """What the board holds is told, with the command that repairs it."""
    played.play(fault=fault)
    line = refused(played, played.plan())
    assert line.startswith(said) and AGAIN in line


@pytest.mark.parametrize("fault,window", [({"vendor": {"flip": 1}}, 1 << 40), ({"uboot": {"lost": 1}}, 65536)])
def test_what_differs_when_read_back(played: emmc.Emmc, fault: dict[str, Any], window: int) -> None:
    played.play(fault=fault, window=window)
    line = refused(played, played.plan())
    assert line.startswith(f"partition {next(iter(fault))} does not hold what was written; ") and AGAIN in line


def test_erased_sectors_below_what_can_be_read_are_no_window(played: emmc.Emmc) -> None:
    """An erased medium reads as 0xCC too."""
    with (played.folder / "emmc").open("r+b") as disk:
        disk.seek(0x2000 * 512)
        disk.write(b"\xcc" * (1 << 18))
    played.play(fault={"uboot": {"lost": 1}})
    assert refused(played, played.plan(("uboot", "resource"))).startswith("partition uboot does not hold what was written")


def test_an_image_that_is_not_the_built_one(played: emmc.Emmc) -> None:
    plan = played.plan()
    with plan.writes[1].file.open("r+b") as out:
        out.write(b"w")
    assert "vendor.img: is not the image that was built; nothing was written" in refused(played, plan) and not played.writes


def test_a_plan_of_strangers_is_refused(played: emmc.Emmc) -> None:
    plan = played.plan()
    bad = Write("misc", plan.writes[0].file, plan.writes[0].size, plan.writes[0].sha256, 0x4000)
    assert "partition misc is never written; nothing was written" in refused(played, replace(plan, writes=(bad,)))


def env(folder: Path, transport: str, *, yes: str = "0") -> dict[str, Any]:
    virt = product.load("virt")
    made = replace(virt, name="rk3568", board=replace(virt.board, transport=transport, emmc=emmc.SECTORS * 512))
    given = [("product", "rk3568"), ("model", "a b.gguf"), ("build", str(folder)), ("yes", yes)]
    return {"KILN_SETTINGS": settings.read(given, folder), "KILN_PRODUCT": made}


def built(played: emmc.Emmc, names: tuple[str, ...], *filled: str) -> None:
    """A finished build of rk3568 with these images, in which files of ours lie in the partitions `filled`."""
    (played.folder / "rk3568").mkdir()
    images = emmc.images(played.folder / "rk3568/images", names)
    manifest = played.folder / "rk3568/manifest.json"
    manifest.write_text(json.dumps({"files": [{"partition": name, "path": f"/{name}/x"} for name in filled]}))
    results.save(replace(images, manifest=manifest), played.folder / "rk3568/images")


def test_the_verb_prints_the_plan_and_writes_only_when_told(played: emmc.Emmc, capsys: pytest.CaptureFixture[str]) -> None:
    built(played, ("uboot", "sys-prod"), "vendor")
    lines = verb.flash(env(played.folder, "rockusb"))
    # the command is about this build: without its model it would write another image than the plan showed
    command = f"scons product=rk3568 'model=a b.gguf' build={played.folder} flash yes=1"
    assert lines[0].startswith("write    1 partitions") and lines[-1] == f"nothing was written; to write it: {command}" and not played.calls
    assert verb.flash(env(played.folder, "rockusb", yes="1"))[0] == "compared uboot" and "write    1 part" in capsys.readouterr().out
    with pytest.raises(Refused, match="product rk3568 has nothing to flash: its board is virtual; use check: scons product=rk3568 check"):
        verb.flash(env(played.folder, "virt"))


def test_what_the_user_keeps_is_erased_only_with_its_own_word(played: emmc.Emmc, capsys: pytest.CaptureFixture[str]) -> None:
    built(played, ("uboot", "userdata"), "vendor")
    lines = verb.flash(env(played.folder, "rockusb"))
    assert lines[-1].endswith("flash yes=userdata") and any(line.startswith("erased   userdata") for line in lines)
    with pytest.raises(Refused, match="erases userdata, all that its user keeps on the board; nothing was written; if that is meant: .* yes=userdata"):
        verb.flash(env(played.folder, "rockusb", yes="1"))
    assert not played.calls
    verb.flash(env(played.folder, "rockusb", yes="userdata"))
    assert [call[1] for call in played.calls if call[0] == "wlx"] == ["uboot", "userdata"]


def test_files_that_the_board_would_lack_are_not_dropped_in_silence(played: emmc.Emmc) -> None:
    built(played, ("uboot", "sys-prod"), "vendor", "sys-prod")
    with pytest.raises(Refused, match="put files into sys-prod, which is never written: the board would lack them; give them a place in vendor"):
        verb.flash(env(played.folder, "rockusb", yes="1"))
    assert not played.calls
