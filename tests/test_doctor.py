# SPDX-License-Identifier: Apache-2.0
"""doctor: a machine that has everything, one that lacks a tool, a package or room; always with what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kiln import doctor, product, run, share

pytestmark = pytest.mark.fast


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of one folder, in which the test puts programs; those in the sbin folders stay in sight."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def row(report: doctor.Report, name: str) -> doctor.Row:
    return next(one for one in report.rows if one.name == name)


def test_a_missing_tool_is_named_with_package_and_command(bare: Path, tmp_path: Path) -> None:
    program(bare / "apt-get", "echo 'apt 2.6.1 (amd64)'")
    report = doctor.examine(None, tmp_path / "build", tmp_path / "cache")
    assert {"ccache", "qemu-system-aarch64"} <= set(report.missing) and not {"apt-get"} & set(report.missing)
    sudo = "" if os.geteuid() == 0 else "sudo "
    assert report.command.startswith(f"{sudo}apt-get install -y --no-install-recommends ccache ")
    assert " qemu-system-arm" in report.command and "\n" not in report.command
    assert row(report, "qemu-system-aarch64").hint.startswith("package qemu-system-arm: ") and row(report, "apt-get").found == "2.6.1"
    assert any(line.startswith("LACK ccache") for line in report.lines)


def test_nothing_missing_needs_no_command(bare: Path, tmp_path: Path) -> None:
    for one in doctor.needed(None, tests=True):
        program(bare / one.name, "echo 1.2")
    report = doctor.examine(None, tmp_path, tmp_path)
    assert doctor.packages(tests=True) == () and "apt-get" not in report.command
    assert not {one.name for one in doctor.needed(None)} & set(report.missing)


def test_a_tool_that_talks_nonsense_is_still_there(bare: Path) -> None:
    program(bare / "git", "printf '\\033[31mno version'; exit 3")
    assert doctor._program(doctor.Program("git", "--version", "x")) == doctor.Row("git", str(bare / "git"), "for x", True)


@pytest.mark.parametrize("said,well", [("1.46.1", False), ("1.46.2", True), ("1.47.0", True), ("1.50", False), ("nothing", False)])
def test_a_version_that_makes_other_bytes_is_lacking(said: str, well: bool, bare: Path) -> None:
    program(bare / "git", f"echo 'git {said} (5-Feb-2023)'")
    row = doctor._program(doctor.Program("git", "-V", "x"), ("1.46.2", "1.47.4"))
    assert row.ok == well and row.wanted == "1.46.2 to 1.47.4, for x"


def test_a_product_asks_only_for_what_it_uses() -> None:
    virt = product.load("virt")
    other = replace(virt, board=replace(virt.board, transport="rockusb", kernel=""), image=replace(virt.image, formats=("directory",)))
    names = {one.name for one in doctor.needed(other)}
    assert "qemu-system-aarch64" not in names and "sgdisk" not in names and {"mke2fs", "rkdeveloptool", "hdc"} <= names
    assert not any({"rkdeveloptool", "hdc"} & {one.name for one in doctor.needed(who, tests=True)} for who in (virt, None))
    assert {"qemu-system-aarch64", "sgdisk"} <= {one.name for one in doctor.needed(virt)}


def test_too_little_room_is_told(tmp_path: Path) -> None:
    held = tmp_path / "build"
    assert not doctor._disk("disk", held / "not" / "there", 1 << 60).ok
    assert doctor._disk("disk", held, 1).ok


def test_what_a_finished_build_holds_counts_as_room(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1 << 20))
    free = doctor.shutil.disk_usage(tmp_path).free
    assert doctor._disk("disk", tmp_path, free + (1 << 19)).ok


def test_an_old_python_package_is_not_enough() -> None:
    rows = list(doctor._python(["SCons>=99.1", "no-such-package-of-ours", "PyYAML>=6"]))
    assert [one.ok for one in rows] == [False, False, True]
    assert rows[0].wanted == "99.1 or newer" and rows[1].found == "-"


def test_it_asks_for_packages_with_the_standard_library_alone() -> None:
    """./kiln runs this before there is an environment."""
    code = "from kiln import doctor; print(*doctor.packages(tests=True))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, sys.argv[1]); {code}",
                           share.root() / "site_scons"], text=True, capture_output=True)
    assert done.returncode == 0 and not done.stderr


def test_every_program_has_its_package() -> None:
    assert {one.name for one in (*doctor.PROGRAMS, *doctor.TESTING)} <= {*run.PACKAGES, *run.ELSEWHERE}


def test_what_no_package_brings_is_no_package(bare: Path, tmp_path: Path) -> None:
    virt = product.load("virt")
    report = doctor.examine(replace(virt, board=replace(virt.board, transport="rockusb")), tmp_path / "build", tmp_path / "cache")
    assert "hdc" in report.missing and " hdc" not in report.command and " rkdeveloptool" in report.command
    assert row(report, "hdc").hint.startswith("it is part of the ohos-sdk")
