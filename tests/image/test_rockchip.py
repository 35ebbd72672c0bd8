# SPDX-License-Identifier: Apache-2.0
"""update.img: strangers unpack it to what went in, checksums and every field are as the format has them."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
import subprocess
from pathlib import Path

import pytest
from image.made import EPOCH, ROWS, loader, parameter

from kiln import family
from kiln import image as room
from kiln.errors import ImageError, Refused
from kiln.image import base as bases
from kiln.image import formats, rockchip
from kiln.image.formats import rkaf
from kiln.image.rockchip import Item
from kiln.product import Product
from kiln.results import Base, Output, Partition
from kiln.run import find

pytestmark = pytest.mark.fast

TEXT = parameter()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "parameter.txt").write_text(TEXT)
    (tmp_path / "image" / "MiniLoaderAll.bin").write_bytes(loader())
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def pack(name: str, product: Product, rows: tuple[Partition, ...], out: Path) -> Output:
    made: tuple[Output, ...] = family.load(formats, name).pack(product, rows, out.parent / "image" / "parameter.txt", out, out.parent / "log")
    (one,) = made
    assert (one.format, one.size, one.sha256) == (name, one.file.stat().st_size, hashlib.sha256(one.file.read_bytes()).hexdigest())
    return one


def unpacked(file: Path, folder: Path) -> tuple[str, dict[str, bytes]]:
    """What rkunpack says and the files that it makes."""
    folder.mkdir()
    done = subprocess.run([find("rkunpack"), str(file)], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr, {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def checked(raw: bytes, folder: Path) -> bytes:
    """The bytes with the checksum that rkcrc puts after them."""
    (folder / "in").write_bytes(raw)
    subprocess.run([find("rkcrc"), str(folder / "in"), str(folder / "out")], check=True, capture_output=True)
    return (folder / "out").read_bytes()


def rows_of(raw: bytes) -> list[tuple[str, bytes, int, int, int, int, int]]:
    """(name, 60 bytes of file, sectors, offset, sector, units of 2048, size) of each item, from its place in the head."""
    mark, more, _, count = struct.unpack_from("<HHII", raw, 0x80)
    count += more if mark == 0x6655 else 0
    found = (struct.unpack_from("<32s60s5I", raw, 0x8C + 112 * number) for number in range(count))
    return [(name.rstrip(b"\0").decode(), *rest) for name, *rest in found]


def expected(base: Base) -> dict[str, bytes]:
    images = {row.image.name: row.image.read_bytes() for row in base.partitions if row.image}
    return {**images, "MiniLoaderAll.bin": loader(), "parameter.txt": TEXT.encode()}


def test_strangers_unpack_an_rkaf(virt: Product, base: Base, out: Path, tmp_path: Path) -> None:
    one = pack("rkaf", virt, base.partitions, out)
    said, files = unpacked(one.file, tmp_path / "there")
    listed = files.pop("package-file").decode()
    assert one.file.name == "update.raw.img" and files == expected(base)
    assert "rockchip" in said and "rk3568_r" in said and "file size matches" in said.lower()
    assert listed == ("package-file\tpackage-file\nbootloader\tMiniLoaderAll.bin\nparameter\tparameter.txt\nboot_linux\tboot_linux.img\n"
                      "system\tsystem.img\nvendor\tvendor.img\nsys-prod\tsys_prod.img\n")
    assert checked(one.file.read_bytes()[:-4], tmp_path) == one.file.read_bytes()
    assert one.file.stat().st_blocks * 512 < 16 << 20 < one.size                # holes stay holes


def test_every_field_of_an_rkaf(virt: Product, base: Base, out: Path) -> None:
    raw = pack("rkaf", virt, base.partitions, out).file.read_bytes()
    assert struct.unpack_from("<4sI", raw) == (b"RKAF", len(raw) - 4)
    assert [raw[a:b].rstrip(b"\0") for a, b in ((8, 0x2A), (0x2A, 0x48), (0x48, 0x84))] == [b"rk3568_r", b"007", b"rockchip"]
    assert struct.unpack_from("<II", raw, 0x84) == (11 << 24, 7)
    found = {name: rest for name, *rest in rows_of(raw)}
    for name, (file, sectors, offset, sector, units, size) in found.items():
        assert offset % 2048 == 0 and units == -(-size // 2048) and file[50:] == bytes(10), name
        assert not any(raw[offset + size:-(-(offset + size) // 2048) * 2048]), name
    assert [found[name][1:4:2] for name in ("package-file", "bootloader", "parameter", "system", "sys-prod")] == [
        [0, 0xFFFFFFFF], [0, 0xFFFFFFFF], [0x2000, 0], [0x8000, 0x6000], [0x2000, 0x2E000]]
    offset, size = found["parameter"][2], found["parameter"][5]
    assert raw[offset:offset + size] == b"PARM" + struct.pack("<I", len(TEXT)) + TEXT.encode() + struct.pack("<I", rockchip.crc(TEXT.encode()))


def test_a_parameter_as_rkcrc_wraps_it(tmp_path: Path) -> None:
    (tmp_path / "in").write_text(TEXT)
    subprocess.run([find("rkcrc"), "-p", str(tmp_path / "in"), str(tmp_path / "out")], check=True, capture_output=True)
    assert rockchip.parm(TEXT.encode()) == (tmp_path / "out").read_bytes() and rockchip.crc(b"123456789") == 0x889A9615


def test_strangers_unpack_an_rkfw(virt: Product, base: Base, out: Path, tmp_path: Path) -> None:
    """rkunpack knows no loader of an RK3568, so the tag of a copy's loader reads BOOT, as older ones do."""
    inside = pack("rkaf", virt, base.partitions, out).file.read_bytes()
    one = pack("rkfw", virt, base.partitions, out)
    raw = one.file.read_bytes()
    assert one.file.name == "update.img" and raw[-32:] == hashlib.md5(raw[:-32]).hexdigest().encode()
    copy = tmp_path / "copy.img"
    copy.write_bytes(raw[:0x66] + b"BOOT" + raw[0x66 + 4:])
    said, files = unpacked(copy, tmp_path / "there")
    assert "11.0.0" in said and "2026" in said
    assert files["embedded-update.img"] == inside and files["BOOT"] == b"BOOT" + loader()[4:]
    room._tidy(out, [one])
    assert [file.name for file in out.iterdir()] == ["update.img"]


def test_every_field_of_an_rkfw(virt: Product, base: Base, out: Path) -> None:
    raw = pack("rkfw", virt, base.partitions, out).file.read_bytes()
    size = len(raw) - 32 - 0x66 - len(loader())
    assert struct.unpack_from("<4sHIIHBBBBB4sIIII", raw) == (
        b"RKFW", 0x66, 11 << 24, 0x02000000, 2026, 1, 1, 0, 0, 0, b"8653", 0x66, len(loader()), 0x66 + len(loader()), size)
    assert raw[0x29:0x66] == (bytes(4) + struct.pack("<I", 1)).ljust(61, b"\0") and raw[0x66:0x66 + len(loader())] == loader()


@pytest.mark.parametrize("name", ["rkaf", "rkfw"])
def test_the_same_bytes_again_over_an_older_one(name: str, virt: Product, base: Base, out: Path) -> None:
    first = pack(name, virt, base.partitions, out).file.read_bytes()
    for file in list(out.iterdir()):
        (out / f".{file.name}.tmp").write_bytes(b"left by a killed run" * 2_000_000)
    assert pack(name, virt, base.partitions, out).file.read_bytes() == first
    assert [file.name for file in out.iterdir()] == [{"rkaf": "update.raw.img", "rkfw": "update.img"}[name]]


def test_more_than_sixteen_items(virt: Product, out: Path, tmp_path: Path) -> None:
    """Eighteen are told in the extension; an old reader takes the first sixteen."""
    image = tmp_path / "one.img"
    image.write_bytes(b"i" * 3000)
    rows = tuple(Partition(name, start, size, image) for name, start, size, _ in ROWS)
    raw = pack("rkaf", virt, rows, out).file.read_bytes()
    assert raw[0x80:0x84] == b"\x55\x66\x02\0" and struct.unpack_from("<I", raw, 0x88) == (16,)
    found = rows_of(raw)
    assert [row[0] for row in found[3:]] == [row.name for row in rows] and found[0][3] == 4096 and found[-1][2] == 0xFFFFFFFF
    assert all(raw[offset:offset + size] == b"i" * 3000 for _, _, _, offset, _, _, size in found[3:])
    _, files = unpacked(out / "update.raw.img", tmp_path / "there")
    assert len(files) == 16


def test_past_4_gib(tmp_path: Path) -> None:
    """The high halves of sizes and offsets, from files that are all hole."""
    big = tmp_path / "big.img"
    with big.open("wb") as stream:
        stream.truncate((9 << 30) + 5)
    items = [Item("system", "system.img", 7, 8, big), Item("vendor", "vendor.img", 9, 10, b"v")]
    offsets, length = rockchip.layout(items)
    assert offsets == (2048, 2048 + (9 << 30) + 2048) and length == offsets[1] + 2048
    first, second = rows_of(rockchip.rkaf_head(TEXT, items))
    assert first[1] == b"system.img".ljust(55, b"\0") + b"H" + struct.pack("<I", 2) and (first[3], first[6]) == (2048, (1 << 30) + 5)
    assert second[1] == b"vendor.img".ljust(50, b"\0") + b"H" + struct.pack("<I", 2) + bytes(5) and second[3] == offsets[1] & 0xFFFFFFFF
    assert struct.unpack_from("<I", rockchip.rkaf_head(TEXT, items), 4) == (length & 0xFFFFFFFF,)
    head = rockchip.rkfw_head(TEXT, EPOCH, loader(), (9 << 30) + 6148)
    assert head[0x25:0x29] == struct.pack("<I", (1 << 30) + 6148) and head[0x37:0x3D] == b"HI" + struct.pack("<I", 2) and len(head) == 0x66


@pytest.mark.parametrize("name", ["rkaf", "rkfw"])
def test_a_base_without_a_loader(name: str, virt: Product, base: Base, out: Path) -> None:
    (out.parent / "image" / "MiniLoaderAll.bin").unlink()
    with pytest.raises(Refused, match="has no MiniLoaderAll.bin") as caught:
        pack(name, virt, base.partitions, out)
    assert str(caught.value) == ("image.formats: the base has no MiniLoaderAll.bin; lay the one of a DAYU200 base beside parameter.txt; "
                                 "or leave rkaf and rkfw out: directory, sparse and gpt do without")
    assert not list(out.iterdir())


@pytest.mark.parametrize("raw,what", [
    (b"", "is no Rockchip loader"), (b"LDR " + bytes(98), "is no Rockchip loader"), (b"\x7fELF" + loader()[4:], "is no Rockchip loader"),
    (loader()[:-1] + b"?", "its checksum is wrong; it is cut short or damaged"), (loader()[:-100], "its checksum is wrong"),
    (b"LDR " + bytes(16 << 20), "is no Rockchip loader")], ids=["empty", "head", "elf", "damaged", "cut", "huge"])
def test_a_loader_that_is_none(raw: bytes, what: str, out: Path) -> None:
    (out.parent / "image" / "MiniLoaderAll.bin").write_bytes(raw)
    with pytest.raises(ImageError) as caught:
        rockchip.loader(out.parent / "image" / "parameter.txt")
    assert str(caught.value).startswith(f"MiniLoaderAll.bin: {what}")


@pytest.mark.parametrize("old,new,what", [
    ("FIRMWARE_VER: 11.0", "FIRMWARE: 11.0", "has no FIRMWARE_VER"), ("11.0", "11", "FIRMWARE_VER '11' is not a version"),
    ("11.0", "11.256", "FIRMWARE_VER '11.256' is not a version"), ("11.0", "11.0.65536", "FIRMWARE_VER '11.0.65536' is not a version"),
    ("MACHINE_MODEL: rk3568_r", "MACHINE_MODEL: \nX: y", "has no MACHINE_MODEL"), ("007", "7" * 30, "MACHINE_ID '777777777777777777777777777777' has over 29"),
    ("MANUFACTURER: rockchip", "MANUFACTURER: " + "r" * 56, "MANUFACTURER 'rrr")])
def test_a_table_that_names_no_machine(old: str, new: str, what: str) -> None:
    with pytest.raises(ImageError) as caught:
        rockchip.rkaf_head(TEXT.replace(old, new, 1), [])
    assert str(caught.value).startswith(f"parameter.txt: {what}")


def test_versions() -> None:
    assert rockchip.version("FIRMWARE_VER: 11.0\r\n") == 0x0B000000 and rockchip.version("FIRMWARE_VER:\t8.1.300 \n") == 0x0801012C


def test_partitions_that_have_no_room(tmp_path: Path) -> None:
    row = Partition("vendor", 8, 8, tmp_path / "a.img")
    for bad, what in ((dataclasses.replace(row, name="parameter"), "partition parameter has the name of a part that every update.img has"),
                      (dataclasses.replace(row, start=0xFFFFFFFF), "partition vendor: an update.img knows sectors below 0xffffffff only")):
        with pytest.raises(ImageError, match=f"^parameter.txt: {what}$"):
            rkaf.items((bad,), loader(), TEXT)
    with pytest.raises(ImageError, match="an update.img has room for names of 31 characters"):
        rockchip.rkaf_head(TEXT, [Item("n" * 32, "n.img", 1, 1, b"")])


def test_the_base_brings_its_loader(base: Base, base_folder: Path, tmp_path: Path) -> None:
    """What lies beside the base's table reaches the formats, counts in its key, and goes when the base has none."""
    there = tmp_path / "base"
    subprocess.run(["cp", "-r", "--sparse=always", str(base_folder), str(there)], check=True)
    without = bases.read(there)
    (there / "MiniLoaderAll.bin").write_bytes(loader())
    with_it = bases.read(there)
    room._beside(with_it, tmp_path / "parameter.txt", "vendor")
    assert without.key != with_it.key and (tmp_path / "MiniLoaderAll.bin").read_bytes() == loader()
    room._beside(base, tmp_path / "parameter.txt", "vendor")
    assert not (tmp_path / "MiniLoaderAll.bin").exists()
