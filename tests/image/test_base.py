# SPDX-License-Identifier: Apache-2.0
"""What a base is, read from it; and each way in which it is not one, told in one line."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from image.made import ROWS, elf, make_ext4, parameter

from kiln.errors import ImageError
from kiln.image import base as bases
from kiln.image.ext4 import Reader

pytestmark = pytest.mark.fast


@pytest.fixture
def copy(base_folder: Path, tmp_path: Path) -> Path:
    """A base of the test's own."""
    return Path(shutil.copytree(base_folder, tmp_path / "images"))


def test_what_it_is(base_folder: Path) -> None:
    found = bases.read(base_folder)
    assert (found.abi, found.version, found.sandbox) == ("arm64-v8a", "OpenHarmony-7.0.0.36", False)
    images = {row.name: row.image.name for row in found.partitions if row.image}
    assert images == {"boot_linux": "boot_linux.img", "system": "system.img", "vendor": "vendor.img", "sys-prod": "sys_prod.img"}
    assert len(found.partitions) == len(ROWS) and len(found.key) == 64


def test_the_key_follows_the_bytes(base_folder: Path, copy: Path) -> None:
    assert bases.read(copy).key == bases.read(base_folder).key
    with (copy / "boot_linux.img").open("r+b") as stream:
        stream.write(b"B")
    assert bases.read(copy).key != bases.read(base_folder).key


@pytest.mark.parametrize("files,abi", [
    ({"/system/bin/init": elf(40)}, "armeabi-v7a"), ({"/system/bin/init": elf(62)}, "x86_64"),
    ({"/system/lib/ld-musl-aarch64.so.1": b"x"}, "arm64-v8a"), ({"/system/lib/ld-musl-arm.so.1": b"x"}, "armeabi-v7a")])
def test_the_abi_of_the_userland(tmp_path: Path, files: dict[str, bytes], abi: str) -> None:
    with Reader(make_ext4(tmp_path / "system.img", 1 << 20, files, host=tmp_path / "h")) as reader:
        assert bases.abi_of(reader) == abi and bases.version_of(reader) == ""


def _write(file: Path, text: bytes) -> None:
    file.write_bytes(text)


@pytest.mark.parametrize("spoil,says", [
    (lambda f: (f / "system.img").unlink(), "has no system.img"),
    (lambda f: (f / "vendor.img").unlink(), "has no vendor.img"),
    (lambda f: (f / "parameter.txt").unlink(), "parameter.txt: cannot be read: No such file"),
    (lambda f: _write(f / "parameter.txt", b"hello"), "0 mtdparts= lists"),
    (lambda f: _write(f / "parameter.txt", parameter(ROWS[:7] + ROWS[8:]).encode()), "has no partition vendor"),
    (lambda f: _write(f / "vendor.img", bytes(100_000)), "vendor.img: is no ext4 file system"),
    (lambda f: _write(f / "vendor.img", b""), "vendor.img: is no ext4 file system"),
    (lambda f: _write(f / "vendor.img", struct.pack("<I", 0xED26FF3A) + bytes(4000)), "an Android sparse image, not a raw one; unpack it first: simg2img"),
    (lambda f: _write(f / "vendor.img", b"\x1f\x8b" + bytes(4000)), "is gzip data"),
    (lambda f: os.truncate(f / "vendor.img", 10 << 20), "is cut short: its file system has 16777216 bytes, the file 10485760"),
    (lambda f: os.truncate(f / "system.img", 5000), "is cut short"),
    (lambda f: os.truncate(f / "vendor.img", 0x20001 * 512), "has 67109376 bytes, its partition vendor only 67108864"),
    (lambda f: _write(f / "parameter.txt", parameter(ROWS[:7] + (("vendor", 0xE000, 0x4000, ""),) + ROWS[8:]).encode()), "its partition vendor only 8388608"),
    (lambda f: os.truncate(f / "boot_linux.img", 3 << 20), "its partition boot_linux only 2097152"),
])
def test_a_fault_is_told_in_one_line(copy: Path, spoil: Callable[[Path], None], says: str) -> None:
    spoil(copy)
    with pytest.raises(ImageError) as caught:
        bases.read(copy)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("files,says", [({}, "neither /system/bin/init nor a musl loader"), ({"/system/bin/init": elf(8)}, "ELF machine 8")])
def test_a_system_that_is_none(tmp_path: Path, files: dict[str, bytes], says: str) -> None:
    image = make_ext4(tmp_path / "system.img", 1 << 20, files, host=tmp_path / "h")
    with Reader(image) as reader, pytest.raises(ImageError, match=says):
        bases.abi_of(reader)


def test_what_is_delivered_beside_the_images_enters_the_key(base_folder: Path, tmp_path: Path) -> None:
    """The images folder gets loader and config.cfg from the base: a build with another one must not be taken for the same."""
    folder = tmp_path / "base"
    folder.mkdir()
    for file in base_folder.iterdir():
        (folder / file.name).symlink_to(file)
    keys = [bases.read(folder).key]
    for name, data in (("config.cfg", b"CFG\0"), ("config.cfg", b"CFG\1"), ("MiniLoaderAll.bin", b"LDR ")):
        (folder / name).write_bytes(data)
        keys.append(bases.read(folder).key)
    assert len(set(keys)) == 4


def test_free_room_of_each_file_system(base_folder: Path) -> None:
    found = {one.partition: one for one in bases.read(base_folder, key="k").file_systems}
    assert set(found) == {"system", "vendor", "sys-prod"} and found["vendor"].size == 16 << 20
    assert 0 < found["vendor"].free < found["vendor"].size and 0 < found["vendor"].free_inodes < found["vendor"].inodes
