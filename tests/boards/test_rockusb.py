# SPDX-License-Identifier: Apache-2.0
"""What rkdeveloptool says is understood, whatever its exit code; a wrong mode, a lie or silence is one line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boards import emmc

from kiln import run
from kiln.boards import rockusb
from kiln.errors import BoardError, Refused
from kiln.results import Written



@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[emmc.Emmc]:
    made = emmc.Emmc(tmp_path, monkeypatch)
    yield made
    made.sealed()


@pytest.mark.parametrize("mode,said", [
    ("none", "no Rockchip device is plugged in"), ("two", "2 Rockchip devices are plugged in"),
    ("Maskrom", "the board is in Maskrom mode, not in Loader mode"), ("Unknown", "the board is in Unknown mode"),
    ("normal", r"the board \(2207:5000\) is not in Loader mode, it runs a system")])
def test_a_wrong_mode_is_one_line_with_the_way_out(played: emmc.Emmc, mode: str, said: str) -> None:
    played.play(mode=mode)
    with pytest.raises(BoardError, match=f"{said}.*nothing was written; .*hold VOL/RECOVERY") as raised:
        played.board.ready()
    assert "\n" not in str(raised.value)


def test_loader_mode_is_ready(played: emmc.Emmc) -> None:
    played.board.ready()
    assert played.calls == [["-v"], ["ld"]]


@pytest.mark.parametrize("said", ["rkdeveloptool ver 1.33", "", "usage: rkdeveloptool\x1b[2J"])
def test_a_tool_of_another_version_is_not_guessed_at(played: emmc.Emmc, said: str) -> None:
    played.play(fault={"version": said})
    with pytest.raises(BoardError, match="rkdeveloptool calls itself .*; nothing was written; what is understood here is 'rkdeveloptool ver 1.32'") as raised:
        played.board.ready()
    assert "\x1b" not in str(raised.value) and ["ld"] not in played.calls


@pytest.mark.parametrize("text", ["", "\x1b]0;title\x07libusb: error [darwin_open] LIBUSB_ERROR_ACCESS: Permission denied",
                                  "DevNo=1\tVid=0x2207", "DevNo=1\tVid=0x2207,Pid=0x350a,LocationID=2\tLoader Loader"])
def test_a_strange_list_is_not_guessed_at(played: emmc.Emmc, text: str) -> None:
    played.play(fault={"strange": text})
    with pytest.raises(BoardError, match="rkdeveloptool ld answers strangely: ") as raised:
        played.board.ready()
    assert "\x1b" not in str(raised.value) and ("ACCESS" not in text or "udev rules" in str(raised.value))


def test_the_table_is_read_in_its_order(played: emmc.Emmc) -> None:
    table = played.board.table()
    assert len(table) == 15 and table[0] == ("uboot", 0x2000) and table[-1] == ("userdata", 0x1308000)


@pytest.mark.parametrize("fault,mode,said", [
    ({"row missing": 3}, "Loader", "rows are missing"), ({"no gpt": 1}, "Loader", r"Partition Info\(parameter\)"),
    ({"closed": 1}, "Loader", "Creating Comm Object failed!; install rkdeveloptool's udev rules"),
    ({}, "none", "Did not find any rockusb device.*plug the board in"), ({}, "two", "Found too many.*leave one Rockchip device"),
    ({"two words": 1}, "Loader", "cannot be read: 05  0003A000  ram disk")])
def test_a_table_that_cannot_be_read_is_one_line(played: emmc.Emmc, fault: dict[str, Any], mode: str, said: str) -> None:
    played.play(fault=fault, mode=mode)
    with pytest.raises(BoardError, match=said) as raised:
        played.board.table()
    assert "\n" not in str(raised.value) and "\x1b" not in str(raised.value)


@pytest.mark.parametrize("fault,percents,written", [
    ({}, [65, 100], Written(100)),
    ({"vendor": {"stop": 50}}, [65], Written(65, "Write LBA failed!")),
    ({"vendor": {"stop": 0}}, [], Written(0, "Write LBA failed!")),
    ({"vendor": {"stop": 50, "lies": 1}}, [65], Written(65, "the tool ended without a word")),
    ({"vendor": {"exit": 1}}, [65, 100], Written(100, "the tool ended without a word")),
    ({"not found": "vendor"}, [], Written(0, "No found vendor partition", False)),
    ({"closed": 1}, [], Written(0, "Write LBA quit, creating comm object failed!", False,
                                "install rkdeveloptool's udev rules, or plug the board in again"))])
def test_how_a_write_ended(played: emmc.Emmc, tmp_path: Path, fault: dict[str, Any], percents: list[int], written: Written) -> None:
    played.play(fault=fault)
    told: list[int] = []
    (tmp_path / "vendor.img").write_bytes(b"v" * 100_000)
    assert played.board.write("vendor", tmp_path / "vendor.img", told.append) == written
    assert told == percents


def test_a_file_that_is_gone_was_not_begun(played: emmc.Emmc, tmp_path: Path) -> None:
    done = played.board.write("vendor", tmp_path / "none.img", lambda percent: None)
    assert not done.begun and "can't open file" in done.why


def test_a_write_that_is_interrupted_is_half_written(played: emmc.Emmc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_interrupted", threading.Event())
    played.play(fault={"slow": 1})
    (tmp_path / "vendor.img").write_bytes(b"v" * 100_000)
    assert played.board.write("vendor", tmp_path / "vendor.img", lambda percent: run.interrupt()) == Written(65, "it was interrupted")


@pytest.mark.parametrize("name", ["misc", "bootctrl", "sys-prod", "chip-prod", "eng_system", "eng_chipset", "", "-v", "uboot\n"])
def test_a_protected_partition_never_reaches_the_tool(played: emmc.Emmc, tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match="is never written"):
        played.board.write(name, tmp_path, lambda percent: None)
    assert not played.calls


def test_reading_back_and_the_window(played: emmc.Emmc, tmp_path: Path) -> None:
    assert played.board.read(65535, 2, tmp_path / "sectors") == b"\0" * 512 + b"\xcc" * 512
    played.play(fault={"unreadable": 1})
    with pytest.raises(BoardError, match="the board cannot be read: Read LBA failed!"):
        played.board.read(1, 1, tmp_path / "sectors")


def test_the_reset_is_confirmed_or_not(played: emmc.Emmc) -> None:
    played.play(fault={"deaf": 1})
    assert not played.board.reset()
    played.play()
    assert played.board.reset()


def test_without_the_tool_its_package_is_named(played: emmc.Emmc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/sbin:/bin")
    if any(Path(folder, rockusb.TOOL).exists() for folder in ("/usr/sbin", "/bin", "/sbin")):
        pytest.skip("the real tool is on this machine")
    with pytest.raises(Refused, match="rkdeveloptool is not on this machine; install it: apt-get install rkdeveloptool"):
        played.board.ready()
