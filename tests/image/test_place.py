# SPDX-License-Identifier: Apache-2.0
"""What goes where, and what is refused with the numbers before anything is built."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from image.made import PLAN, artifact, model, parameter, shipped
from image.test_table import DAYU200

from kiln.errors import Refused
from kiln.image import place, table
from kiln.image.formats import ext4 as fresh
from kiln.product import Product
from kiln.results import Base
from kiln.spec import Size

pytestmark = pytest.mark.fast
MIB, GIB = 1 << 20, 1 << 30


def having(product: Product, model_in: str, emmc: int = 29 * GIB) -> Product:
    board = dataclasses.replace(product.board, emmc=Size(emmc))
    return dataclasses.replace(product, board=board, image=dataclasses.replace(product.image, model_in=model_in))


@pytest.mark.parametrize("model_in,size,used,where", [
    ("auto", 400 * MIB, 256 * MIB, "vendor"), ("auto", 700 * MIB, 256 * MIB, "vendor"), ("auto", 760 * MIB, 256 * MIB, "model"),
    ("auto", 6 * GIB, 256 * MIB, "model"), ("vendor", 100 * MIB, 0, "vendor"), ("model", 1, 0, "model")])
def test_vendor_while_it_fits_else_a_partition(virt: Product, model_in: str, size: int, used: int, where: str) -> None:
    stock = table.parse(parameter(DAYU200))
    assert place._where(stock, having(virt, model_in), size, used)[0] == where
    assert place.room(stock, having(virt, model_in), size, used=used) >= size


@pytest.mark.parametrize("model_in,low,high", [("vendor", 1000 * MIB, GIB), ("model", 6 * GIB, 7 * GIB), ("auto", 6 * GIB, 7 * GIB)])
def test_a_model_that_is_not_known_yet_may_take_the_larger_place(virt: Product, model_in: str, low: int, high: int) -> None:
    """The budget judges by it before anything is fetched: what has room in the hole must not be refused for vendor's sake."""
    assert low < place.room(table.parse(parameter(DAYU200)), having(virt, model_in)) < high


@pytest.mark.parametrize("model_in,size,says", [
    ("vendor", 800 * MIB, "set image.model_in: model"),
    ("model", 7 * GIB, "a smaller model or recipe"),
    ("auto", 7 * GIB, "a smaller model or recipe")])
def test_too_large_is_told_with_the_numbers(virt: Product, model_in: str, size: int, says: str) -> None:
    with pytest.raises(Refused) as caught:
        place.room(table.parse(parameter(DAYU200)), having(virt, model_in), size, used=256 * MIB)
    text = str(caught.value)
    assert says in text and f"({size} bytes)" in text and "1 GiB" in text and "256 MiB" in text and "0x6be000" in text and "\n" not in text


def test_a_disk_smaller_than_the_table_is_told(virt: Product) -> None:
    with pytest.raises(Refused, match="board.emmc: partition userdata .* the disk of 16777216 sectors"):
        place.room(table.parse(parameter(DAYU200)), having(virt, "auto", 8 * GIB))


def test_a_table_without_a_hole_has_no_room(virt: Product) -> None:
    full = table.parse("CMDLINE: mtdparts=x:0x2000@0x2000(system),0x2000@0x4000(vendor),-@0x6000(userdata:grow)")
    assert place.room(full, having(virt, "model")) == 0
    with pytest.raises(Refused, match=r"0 bytes at sector"):
        place.room(full, having(virt, "auto"), 5 * MIB)


@pytest.mark.parametrize("partition", [2 * MIB, 100 * MIB, 6292 * MIB, 40 * GIB])
def test_the_room_of_a_partition_is_what_its_file_system_holds(partition: int) -> None:
    room = fresh.room_in(partition)
    assert fresh.size_for(room) <= partition < fresh.size_for(room + 1)
    assert partition - room < partition // 1000 + 2 * MIB


def test_files_model_and_table_are_placed(virt: Product, base: Base, tmp_path: Path) -> None:
    placed = place.place(virt, base, shipped(tmp_path), model(tmp_path), PLAN)
    assert (placed.model, placed.model_path) == ("model", "/mnt/model/model.gguf")
    assert [row.name for row in placed.partitions][-2:] == ["model", "userdata"]
    start, size = table.hole(table.read(base.parameter))
    assert (placed.partitions[-2].start, placed.partitions[-2].size, placed.partitions[-2].image) == (start, size, None)
    assert [item.dest for item in placed.items] == sorted(item.dest for item in placed.items)
    found = next(item for item in placed.items if item.dest == placed.model_path)
    assert (found.mode, found.uid, found.label, found.origin) == (0o644, 0, "u:object_r:vendor_file:s0", "model tiny q4_0")


def test_the_model_in_vendor_needs_no_partition(virt: Product, base: Base, tmp_path: Path) -> None:
    placed = place.place(having(virt, "vendor", 256 * MIB), base, shipped(tmp_path), model(tmp_path), PLAN)
    assert placed.model_path == "/vendor/models/model.gguf"
    assert [row.name for row in placed.partitions] == [row.name for row in base.partitions]


@pytest.mark.parametrize("dest", ["", "vendor/bin/x", "/chip_prod/x"])      # the base has no image of chip-prod
def test_a_file_that_goes_nowhere_is_refused(virt: Product, base: Base, tmp_path: Path, dest: str) -> None:
    with pytest.raises(Refused, match="goes to no partition"):
        place.place(virt, base, (artifact(tmp_path, dest, b"x"),), model(tmp_path), PLAN)


def test_a_file_without_a_label_gets_that_of_its_place(virt: Product, base: Base, tmp_path: Path) -> None:
    placed = place.place(virt, base, (artifact(tmp_path, "/system/lib64/libx.so", b"x", label=""),), model(tmp_path), PLAN)
    assert placed.items[-1].label == "u:object_r:system_lib_file:s0"
