# SPDX-License-Identifier: Apache-2.0
"""A base of the DAYU200's real shape through the whole room: read, placed in vendor or in the hole, packed; and what has no place, refused."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from pathlib import Path

import pytest
from image import dayu200
from image.made import INPUTS, PLAN, STEPS, model, shipped

from kiln import image
from kiln import product as products
from kiln.errors import Refused
from kiln.image import base as bases
from kiln.image import debugfs, ext4, files, place, spans, table
from kiln.product import Product, System
from kiln.results import Gguf, Images
from kiln.run import find
from kiln.spec import Size


@pytest.fixture(scope="session")
def daily(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 32-bit one."""
    return dayu200.make(tmp_path_factory.mktemp("dayu") / "images")


@pytest.fixture
def board() -> Product:
    """A product for that board."""
    virt = products.load("virt")
    return dataclasses.replace(
        virt, name="rk3568", system=System("rk3568", virt.system.targets), board=dataclasses.replace(virt.board, emmc=Size(29 << 30)),
        image=dataclasses.replace(virt.image, formats=("directory", "sparse", "rkfw"), model_in="auto"))


def bake(product: Product, daily: Path, gguf: Gguf, folder: Path) -> Images:
    base = bases.read(daily, key="daily")
    placed = place.place(product, base, shipped(folder / "a"), gguf, PLAN)
    return image.bake(product, base, placed, inputs=INPUTS, steps=STEPS, into=folder / "out" / "images", scratch=folder / "out" / "image",
                      log=folder / "log")


def large(folder: Path, size: int) -> Gguf:
    """A model of so many bytes that takes none on the disk."""
    gguf = model(folder)
    with gguf.file.open("r+b") as out:
        out.truncate(size)
    return dataclasses.replace(gguf, size=size, sha256=spans.digest(gguf.file))


def test_the_stand_in_has_the_recorded_shape(daily: Path) -> None:
    found = bases.read(daily)
    assert (found.abi, found.version) == ("armeabi-v7a", "OpenHarmony-7.0.0.36")
    assert [(row.name, row.start, row.size) for row in found.partitions] == [(name, start, size) for name, start, size, _ in dayu200.ROWS]
    assert table.hole(table.read(found.parameter)) == (0x6BE000, 0xC4A000)
    assert {row.name for row in found.partitions if not row.image} == {"misc", "bootctrl"}
    count = 0
    for name in dayu200.SIZES:
        subprocess.run([find("e2fsck"), "-fn", daily / f"{name}.img"], check=True, capture_output=True)
        with ext4.Reader(daily / f"{name}.img") as reader:
            count += sum(number >= 11 for number in reader.used_inodes())
    assert count >= dayu200.FILES
    with ext4.Reader(daily / "vendor.img") as reader:
        isp = files.find(reader, "/bin/ispserver")
        assert isp and (isp.mode, isp.uid, isp.gid) == (0o100755, 0, 2000) and reader.sb.blocks == 65535
    assert debugfs.label(daily / "vendor.img", "/bin/ispserver", daily.parent / "l") == "u:object_r:vendor_bin_file:s0"
    assert sum(file.stat().st_blocks * 512 for file in daily.iterdir()) < 64 << 20


def test_a_small_model_goes_into_vendor_and_the_loader_into_the_folder(board: Product, daily: Path, tmp_path: Path) -> None:
    made = bake(board, daily, model(tmp_path / "m"), tmp_path)
    out, names = tmp_path / "out" / "images", [one.file.name for one in made.outputs]
    assert len(names) == len(set(names)) and {"parameter.txt", "MiniLoaderAll.bin", "config.cfg", "update.img", "vendor.sparse.img"} <= set(names)
    for name in ("parameter.txt", "MiniLoaderAll.bin", "config.cfg"):
        assert (out / name).read_bytes() == (daily / name).read_bytes()
    with ext4.Reader(out / "vendor.img") as reader:
        assert files.find(reader, "/models/model.gguf") and reader.sb.size <= 1 << 30
    subprocess.run([find("e2fsck"), "-fn", out / "vendor.img"], check=True, capture_output=True)
    listed = [one["file"] for one in json.loads(made.manifest.read_text())["images"]]
    assert listed == sorted(names)


def test_one_that_vendor_does_not_hold_goes_into_the_hole(board: Product, daily: Path, tmp_path: Path) -> None:
    board = dataclasses.replace(board, image=dataclasses.replace(board.image, formats=("directory",)))
    made = bake(board, daily, large(tmp_path / "m", 1 << 30), tmp_path)
    out = tmp_path / "out" / "images"
    row = table.read(out / "parameter.txt").row("model")
    assert row and (row.start, row.size) == (0x6BE000, 0xC4A000)
    assert [one.name for one in table.read(out / "parameter.txt").rows][-2:] == ["model", "userdata"]
    with ext4.Reader(out / "model.img") as reader:
        found = files.find(reader, "/model.gguf")
        assert found and found.size == 1 << 30
    with ext4.Reader(out / "vendor.img") as reader:
        assert f"{dayu200.BY_NAME}/model /mnt/model ext4 ro,barrier=1 wait\n" in (files.text(reader, "/etc/fstab.rk3568") or b"").decode()
    # RKDevTool's list would leave the model out
    assert "config.cfg" not in {one.file.name for one in made.outputs} and (out / "MiniLoaderAll.bin").is_file()


def test_one_that_fits_nowhere_is_refused_with_the_numbers(board: Product, daily: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        bake(board, daily, dataclasses.replace(model(tmp_path / "m"), size=7 << 30), tmp_path)
    assert re.search(r"the model has 7 GiB \(7516192768 bytes\); a model partition has room for 6\.\d+ GiB .* at sector 0x6be000\); "
                     r"vendor has room for 9\d\d\.?\d* MiB .*; take a smaller model or recipe", str(caught.value)), caught.value


def test_a_base_without_a_loader(board: Product, daily: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in daily.iterdir():
        if file.name != "MiniLoaderAll.bin":
            (bare / file.name).symlink_to(file)
    with pytest.raises(Refused, match="the base has no MiniLoaderAll.bin; lay the one of a DAYU200 base beside parameter.txt"):
        bake(board, bare, model(tmp_path / "m"), tmp_path)
    made = bake(dataclasses.replace(board, image=dataclasses.replace(board.image, formats=("directory",))), bare, model(tmp_path / "m"), tmp_path)
    assert "MiniLoaderAll.bin" not in {one.file.name for one in made.outputs}
