# SPDX-License-Identifier: Apache-2.0
"""Each format holds the partitions that went in, and strangers' tools find nothing wrong with it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from image.made import SYSTEM_GUID, artifact, parameter, small

from kiln import family
from kiln.errors import ImageError, Refused
from kiln.image import base as bases
from kiln.image import formats, spans
from kiln.image.formats import directory, ext4, gpt
from kiln.product import Product
from kiln.results import Base, Output, Partition
from kiln.run import find

pytestmark = pytest.mark.fast


def said(*argv: object) -> str:
    return subprocess.run([find(str(argv[0])), *map(str, argv[1:])], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "parameter.txt").write_text(parameter())
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def pack(name: str, product: Product, rows: Sequence[Partition], out: Path) -> tuple[Output, ...]:
    made: tuple[Output, ...] = family.load(formats, name).pack(product, rows, out.parent / "image" / "parameter.txt", out, out.parent / "log")
    return made


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> Output:
    """A disk that several tests look at: sgdisk sleeps a second each time."""
    folder = tmp_path_factory.mktemp("disk")
    (one,) = pack("gpt", small(), bases.read(base_folder, key="k").partitions, folder)
    return one


def test_a_disk_that_checkers_accept(base: Base, disk: Output) -> None:
    assert (disk.size, disk.file.stat().st_size, disk.sha256) == (256 << 20, 256 << 20, hashlib.sha256(disk.file.read_bytes()).hexdigest())
    assert disk.file.stat().st_blocks * 512 < 64 << 20                  # sparse
    assert "No problems found" in said("sgdisk", "-v", disk.file)
    assert "No errors detected" in said("sfdisk", "--verify", disk.file)
    table = json.loads(said("sfdisk", "-J", disk.file))["partitiontable"]
    assert [row["name"] for row in table["partitions"]] == [row.name for row in base.partitions]
    assert [row["start"] for row in table["partitions"]] == [row.start for row in base.partitions]
    assert [row["size"] for row in table["partitions"]][:-1] == [row.size for row in base.partitions][:-1]
    assert table["partitions"][-1]["size"] == (1 << 19) - 34 - 0x60000 + 1    # userdata grows to the end, as rkdeveloptool has it
    assert table["partitions"][6]["uuid"].lower() == SYSTEM_GUID
    assert "LegacyBIOSBootable" in table["partitions"][4]["attrs"] and "attrs" not in table["partitions"][6]
    with disk.file.open("rb") as stream:
        for row in base.partitions:
            if row.image:
                stream.seek(row.start * 512)
                assert stream.read(row.image.stat().st_size) == row.image.read_bytes(), row.name


def test_the_same_disk_again_over_an_older_one(virt: Product, base: Base, out: Path, disk: Output) -> None:
    (out / ".emmc.img.tmp").write_bytes(b"left by a killed run" * 100_000)
    (out / "emmc.img").write_bytes(b"an older one")
    (again,) = pack("gpt", virt, base.partitions, out)
    assert again.sha256 == disk.sha256 and sorted(file.name for file in out.iterdir()) == ["emmc.img"]


def test_a_table_that_the_disk_does_not_hold(virt: Product, base: Base, out: Path) -> None:
    with pytest.raises(Refused, match="board.emmc: partition userdata .* the disk of 262144 sectors"):
        pack("gpt", small(emmc=128 << 20), base.partitions, out)
    assert list(out.iterdir()) == []


def test_an_image_larger_than_its_partition(virt: Product, base: Base, out: Path) -> None:
    rows = [dataclasses.replace(row, size=0x100) if row.name == "vendor" else row for row in base.partitions]
    with pytest.raises(ImageError, match=r"vendor.img has 16777216 bytes, its partition vendor only 131072"):
        pack("gpt", virt, rows, out)


def test_a_folder_of_images(virt: Product, base: Base, out: Path) -> None:
    outputs = pack("directory", virt, base.partitions, out)
    assert [(one.file.name, one.partition, one.offset) for one in outputs] == [
        ("boot_linux.img", "boot_linux", 0x4000 * 512), ("system.img", "system", 0x6000 * 512), ("vendor.img", "vendor", 0xE000 * 512),
        ("sys_prod.img", "sys-prod", 0x2E000 * 512), ("parameter.txt", "", 0)]
    for row in base.partitions:
        if row.image:
            assert (out / directory.image_name(row.name)).read_bytes() == row.image.read_bytes()
            assert not (out / directory.image_name(row.name)).samefile(row.image)      # never a second name of the base's own file
    assert all(one.sha256 == spans.digest(one.file) and one.size == one.file.stat().st_size for one in outputs)


def test_what_the_build_made_is_not_copied_again(virt: Product, base: Base, out: Path) -> None:
    mine = out.parent / "image" / "vendor" / "vendor.img"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    rows = [dataclasses.replace(row, image=mine) if row.name == "vendor" else row for row in base.partitions]
    pack("directory", virt, rows, out)
    assert (out / "vendor.img").samefile(mine) and not mine.stat().st_mode & 0o222


@pytest.mark.parametrize("size", [0, 1, 4096, 3_000_001, 140 << 20])
def test_a_fresh_file_system_holds_its_files(tmp_path: Path, size: int) -> None:
    item = artifact(tmp_path / "a", "/mnt/model/model.gguf", b"")
    with item.file.open("r+b") as stream:
        stream.truncate(size)
    image = tmp_path / "model.img"
    ext4.make([dataclasses.replace(item, size=size)], image, mount="/mnt/model", limit=ext4.size_for(size), who="virt/model", epoch=1767225600, log=None)
    assert image.stat().st_size == ext4.size_for(size) and image.stat().st_size - size < 3 << 20
    subprocess.run([find("e2fsck"), "-fn", str(image)], check=True, capture_output=True)
    head = said("dumpe2fs", "-h", image)
    assert re.search(r"volume name:\s+model\n", head) and re.search(r"Last mounted on:\s+/mnt/model\n", head) and "has_journal" not in head
    root = said("debugfs", "-R", "stat /", image)
    assert re.search(r"Mode:\s+0755", root) and "Group:  2000" in root and "vendor_file:s0\\000" in root
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "model.img"]


def test_the_host_has_no_say_in_a_fresh_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(name: str) -> bytes:
        items = [artifact(tmp_path / "a", "/mnt/model/model.gguf", b"m" * 70_000, gid=2000)]
        ext4.make(items, tmp_path / name / "model.img", mount="/mnt/model", limit=8 << 20, who="virt/model", epoch=1767225600, log=None)
        return (tmp_path / name / "model.img").read_bytes()

    plain = make("plain")
    (tmp_path / "mke2fs.conf").write_text("[defaults]\n\tblocksize = 1024\n\tinode_size = 128\n[fs_types]\n\text4 = {\n\t\tfeatures = has_journal,orphan_file\n\t}\n")
    for name, value in {"MKE2FS_CONFIG": str(tmp_path / "mke2fs.conf"), "MKE2FS_FIRST_META_BG": "1", "E2FSPROGS_FAKE_TIME": "5"}.items():
        monkeypatch.setenv(name, value)
    assert make("odd") == plain


def test_the_model_partition_alone(virt: Product, base: Base, out: Path) -> None:
    rows = [dataclasses.replace(row, name="model") if row.name == "vendor" else row for row in base.partitions]
    (one,) = pack("ext4", virt, rows, out)
    assert (one.file.name, one.format, one.partition) == ("model.img", "ext4", "model")
