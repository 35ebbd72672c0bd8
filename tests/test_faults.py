# SPDX-License-Identifier: Apache-2.0
"""Every seeded fault is named in one line: by the gate before a board has power, and by the virtual board where it can see it."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest
from checkout import Built
from faults import FAULTS, LIB, Fault, Seeded

from kiln import product, results
from kiln.boards import virt as transport
from kiln.errors import BoardError, ImageError
from kiln.image import gate
from kiln.judge import check
from kiln.judge.ask import Server

pytestmark = pytest.mark.ci
PATIENT = 60                           # seconds, products/virt's check.boot_timeout
# One of each way in which a board tells of a fault: the whole table boots with -m long.
BOOTED = ("missing library", "unresolved symbol", "wrong ABI", "no label", "truncated model", "service's path wrong", "env value too long",
          "cfg not imported", "fstab names a partition that is not there")


def named(fault: Fault) -> str:
    return fault.name.replace(" ", "-")


@pytest.fixture
def seeded(virt: Built, tmp_path: Path) -> Seeded:
    return Seeded(virt.product, product.load("virt"), tmp_path / "seeded")


def test_without_a_fault_the_gate_is_open(seeded: Seeded) -> None:
    assert "files in 5 partitions are as they were placed" in gate.check(seeded.product, seeded.done())


def test_a_folder_of_partitions_alone_is_read_back_too(seeded: Seeded) -> None:
    images = seeded.done()
    alone = dataclasses.replace(images, outputs=tuple(one for one in images.outputs if one.format == "directory"))
    assert "14 programs and libraries find what they need" in gate.check(seeded.product, alone)
    none = dataclasses.replace(images, outputs=tuple(dataclasses.replace(one, format="sparse") for one in images.outputs))
    assert "not read back" in gate.check(seeded.product, none)


def test_what_is_odd_of_the_base_is_no_fault(seeded: Seeded) -> None:
    """A cfg of the base that is no strict JSON; a library in a folder of a namespace."""
    made = json.loads(seeded.read(seeded.init))
    seeded.put(seeded.init, json.dumps({**made, "import": ["/vendor/etc/odd.cfg", "/vendor/etc/none.cfg", *made["import"]]}).encode(), agree=True)
    seeded.debug(seeded.init, "cd /etc", "write odd odd.cfg", contents={"odd": b"{,}"})
    runtime = seeded.read(f"{LIB}/libc++_shared.so")
    seeded.patched(f"{LIB}/libmtmd.so.0", b"\0libc++_shared.so\0", b"\0libc++_sharex.so\0")
    with pytest.raises(ImageError, match=r"needs libc\+\+_sharex\.so, which is not there"):
        gate.check(seeded.product, seeded.partitions)
    seeded.debug(seeded.init, "cd /lib64", "mkdir chipset-sdk", "cd chipset-sdk", "write lib libc++_sharex.so", contents={"lib": runtime})
    assert "files in 5 partitions" in gate.check(seeded.product, seeded.partitions)


@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_the_gate_names_it(seeded: Seeded, fault: Fault) -> None:
    fault.seed(seeded)
    with pytest.raises(ImageError, match=fault.gate) as raised:
        gate.check(seeded.product, seeded.partitions)
    assert "\n" not in str(raised.value)


def boots(virt: Built, seeded: Seeded, fault: Fault) -> float:
    """Boot it; the board must name the cause. Gives the seconds that this took."""
    fault.seed(seeded)
    means = results.load(results.Boot, virt.product / "board" / results.NAME)
    began = time.monotonic()
    with pytest.raises(BoardError, match=fault.board or "") as raised, \
            transport.boot(seeded.product, seeded.done(), means, logs=seeded.folder.parent / "logs") as board:
        check.wait(board, Server(board.url), PATIENT)
    assert "\n" not in str(raised.value) and "does not answer within" not in str(raised.value)
    return time.monotonic() - began


@pytest.mark.parametrize("fault", [one for one in FAULTS if one.name in BOOTED], ids=named)
def test_the_board_names_it(virt: Built, seeded: Seeded, fault: Fault) -> None:
    assert boots(virt, seeded, fault) < PATIENT / 2


@pytest.mark.long
@pytest.mark.parametrize("fault", [one for one in FAULTS if one.board], ids=named)
def test_the_board_names_every_one(virt: Built, seeded: Seeded, fault: Fault) -> None:
    print(f"\n{fault.name}: {boots(virt, seeded, fault):.1f} s")


def test_the_board_is_well_where_only_the_gate_sees_it() -> None:
    """The table says of each such fault why; most faults are seen by both."""
    assert len(FAULTS) >= 30 and sum(fault.board is None for fault in FAULTS) <= 7


def test_check_tells_it_before_a_board_has_power(virt: Built, seeded: Seeded, monkeypatch: pytest.MonkeyPatch) -> None:
    from kiln.tools import board

    next(fault for fault in FAULTS if fault.name == "no label").seed(seeded)
    for one in seeded.done().outputs:
        seeded.own(one.file.name)
    results.save(seeded.images, seeded.folder)
    build = seeded.folder.parent.parent / "build"
    build.mkdir()
    seeded.folder.parent.rename(build / "virt")
    settings: Any = type("Settings", (), {"build": build, "board": ""})()
    with pytest.raises(ImageError, match="has no SELinux label"):
        board.check({"KILN_SETTINGS": settings, "KILN_PRODUCT": seeded.product})
    assert not (build / "virt" / "logs").exists()
