# SPDX-License-Identifier: Apache-2.0
"""products/rk3568, end to end, on a stand-in of the daily image in its real shape: baked, read by strangers' tools, booted on the virtual board."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkout import Built, scons
from image import dayu200
from model.made import Shape, write
from native import arm

from kiln.image import spans
from kiln.system import sandbox

pytestmark = pytest.mark.ci
Bake = Callable[..., subprocess.CompletedProcess[str]]
SBIN = {"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}


def same(one: Path, other: Path) -> bool:
    """The bytes of two files of holes."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as left, other.open("rb") as right:
        size = one.stat().st_size
        return all(os.pread(left.fileno(), count, at) == os.pread(right.fileno(), count, at)
                   for stream in (left, right) for start, length in spans.data(stream.fileno(), size)
                   for at in range(start, start + length, 1 << 20) for count in [min(1 << 20, start + length - at)])


@pytest.fixture(scope="module")
def daily(virt: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its userland runs 32-bit programs, and has the reference NNRt."""
    root = arm.root(virt).root
    return dayu200.make(tmp_path_factory.mktemp("daily") / "images", musl=root / "lib/ld-musl-arm.so.1", libraries=sorted((root / "nnrt").iterdir()))


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights and a context that the product's fits into."""
    return write(tmp_path_factory.mktemp("model") / "small.gguf", Shape(context=4096))


@pytest.fixture(scope="module")
def bake(virt: Built, daily: Path, gguf: Path) -> Bake:
    """scons product=rk3568 in the checkout's own build folder, where SDK and host tools are."""
    return lambda *words, base=daily, model=gguf, product="rk3568": scons(f"product={product}", f"base={base}", f"model={model}", *words)


@pytest.fixture(scope="module")
def made(bake: Bake, virt: Built) -> Path:
    done = bake()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return virt.build / "rk3568"


def facts(folder: Path) -> dict[str, Any]:
    base: dict[str, Any] = json.loads((folder / "manifest.json").read_text())["base"]
    return base


def test_what_is_baked_and_why(made: Path) -> None:
    manifest = json.loads((made / "manifest.json").read_text())
    paths = {one["path"]: one for one in manifest["files"]}
    assert {"/vendor/bin/llama-server", "/vendor/models/model.gguf", "/vendor/etc/kiln.cfg"} <= paths.keys()
    assert not any("/lib64/" in path or "/lib/" in path for path in paths) and not manifest["reproducible"]
    assert [one["name"] for one in manifest["inputs"] if not one["pinned"]] == ["base", "model"]
    server = next(made.glob("native/llama.cpp/out/bin/llama-server"))
    head = server.read_bytes()[:64]
    assert head[4] == 2 and struct.unpack_from("<H", head, 18) == (183,)
    assert b"ld-musl" not in server.read_bytes()[:4096]


def test_what_the_base_is_stands_in_the_manifest(made: Path, daily: Path) -> None:
    base = facts(made)
    assert (base["abi"], base["version"], base["variant"], base["selinux"]) == ("armeabi-v7a", "OpenHarmony-7.0.0.36", "root", "enforcing")
    assert {one["linkage"] for one in base["linkage"]} == {"static"}
    assert base["linkage"][0]["why"].startswith("the userland is armeabi-v7a, the board runs arm64-v8a too")
    for one in base["file_systems"]:
        image = daily / f"{one['partition'].replace('-', '_')}.img"
        said = subprocess.run(["dumpe2fs", "-h", image], capture_output=True, text=True, env=SBIN, check=True).stdout
        numbers = {name: int(value) for name, value in re.findall(r"^(Free blocks|Inode count|Free inodes|Block count): +(\d+)$", said, re.M)}
        assert (one["size"], one["free"], one["inodes"], one["free_inodes"]) == (
            numbers["Block count"] * 4096, numbers["Free blocks"] * 4096, numbers["Inode count"], numbers["Free inodes"])
    assert {one["partition"] for one in base["file_systems"]} == {"system", "vendor", "sys-prod", "chip-prod"}


def test_each_build_tells_what_the_base_is(made: Path, bake: Bake) -> None:
    """Also one in which nothing is done; and once."""
    done = bake()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("OpenHarmony-7.0.0.36, userland armeabi-v7a, root build, SELinux enforcing") == 1
    assert "llama.cpp is static: the userland is armeabi-v7a" in done.stdout and "image      " not in done.stdout


def test_strangers_agree(made: Path) -> None:
    vendor = made / "images/vendor.img"
    assert subprocess.run(["e2fsck", "-fn", vendor], capture_output=True, env=SBIN).returncode == 0
    said = subprocess.run(["debugfs", "-R", "ea_get /bin/llama-server security.selinux", vendor], capture_output=True, text=True, env=SBIN).stdout
    assert "u:object_r:vendor_bin_file:s0\\000" in said
    with (made / "images/update.img").open("rb") as stream:
        assert stream.read(4) == b"RKFW"


def test_everything_else_is_the_bases_own(made: Path, daily: Path) -> None:
    for name in ("system.img", "boot_linux.img", "sys_prod.img", "userdata.img", "uboot.img", "parameter.txt"):
        assert same(daily / name, made / "images" / name), name


def test_the_same_image_on_the_virtual_board(made: Path, bake: Bake) -> None:
    done = bake("check", "board=virt")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    card = json.loads((made / "card.json").read_text())
    assert card["check"]["ok"] and card["check"]["answers"][0]["q"] == "Say hello." and card["check"]["rss_bytes"] > 1 << 20
    assert card["base"]["linkage"][0]["linkage"] == "static"


def test_a_demo_is_a_program_of_the_userland(made: Path, bake: Bake) -> None:
    """The server is 64-bit and static, the demo 32-bit: it loads the base's own libraries."""
    done = bake("demo=nnrt", "board=virt")
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^(Add|FFN) on .*largest difference to this program (\S+)$", done.stdout, re.M)
    assert [name for name, _ in found] == ["Add", "FFN"] and all(float(off) < 1e-4 for _, off in found), done.stdout
    program = next(made.glob("native/nnrt-demo/out/nnrt-demo")).read_bytes()
    assert program[4] == 1 and struct.unpack_from("<H", program, 18) == (40,)


def test_a_64_bit_userland_gets_libraries_and_the_delegate(virt: Built, bake: Bake, tmp_path: Path) -> None:
    """The very libraries of products/virt: same SDK, same options. The base's musl is the one that virt's system has."""
    musl = sandbox.loader_in(next(virt.build.glob("src/musl-arm64-*")) / "tree")
    base = dayu200.make(tmp_path / "images", bits=64, musl=musl, sparse=True)
    done = bake("check", "board=virt", base=base, product="rk3568-arm64")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    folder = virt.build / "rk3568-arm64"
    paths = {one["path"] for one in json.loads((folder / "manifest.json").read_text())["files"]}
    assert {"/vendor/lib64/kiln/libllama.so.0", "/vendor/lib64/kiln/libc++_shared.so"} <= paths and any(path.endswith("/libggml-nnrt.so") for path in paths)
    assert "llama.cpp is shared: userland and programs are arm64-v8a" in done.stdout
    assert facts(folder)["linkage"][0]["linkage"] == "shared"
    assert json.loads((folder / "card.json").read_text())["check"]["ok"]


@pytest.mark.long
def test_a_product_that_asks_for_32_bits(virt: Built, bake: Bake) -> None:
    """llama.cpp compiled for one ABI more, so it is a long one."""
    done = bake("check", "board=virt", product="rk3568-arm")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    folder = virt.build / "rk3568-arm"
    paths = {one["path"] for one in json.loads((folder / "manifest.json").read_text())["files"]}
    assert {"/vendor/lib/kiln/libllama.so.0", "/vendor/lib/libggml-nnrt.so"} <= paths and not any("lib64" in path for path in paths)
    head = next(folder.glob("native/llama.cpp/out/bin/llama-server")).read_bytes()[:64]
    assert head[4] == 1 and struct.unpack_from("<H", head, 18) == (40,)
    assert facts(folder)["linkage"][0]["linkage"] == "shared" and json.loads((folder / "card.json").read_text())["check"]["ok"]


def test_refused_in_one_line_before_anything_is_fetched_or_compiled(bake: Bake, daily: Path, tmp_path: Path) -> None:
    def other(name: str, **files: bytes) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for file in daily.iterdir():
            if file.name not in files:
                (folder / file.name).symlink_to(file)
        for file_name, data in files.items():
            if data:
                (folder / file_name).write_bytes(data)
        return folder

    text = (daily / "parameter.txt").read_bytes()
    cases = ((other("bare", **{"vendor.img": b""}), "has no vendor.img"), (other("mute", **{"MiniLoaderAll.bin": b""}), "the base has no MiniLoaderAll.bin"),
             (other("wrong", **{"MiniLoaderAll.bin": b"RKFW" * 500}), "MiniLoaderAll.bin"), (tmp_path / "none", "has no parameter.txt"),
             (other("over", **{"parameter.txt": text.replace(b"@0x0043c000(vendor)", b"@0x0033c000(vendor)")}), "partition vendor starts at 0x33c000, inside system"),
             (other("past", **{"parameter.txt": text.replace(b"@0x01308000(userdata", b"@0x0f308000(userdata")}), "userdata"),
             (other("f2fs", **{"vendor.img": b"\0" * 8192}), "vendor.img: is no ext4 file system"),
             (dayu200.make(tmp_path / "user", variant="user", files=30), "the base is a user build"))
    for number, (base, says) in enumerate(cases):
        done = bake(f"build={tmp_path / f'b{number}'}", base=base)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "kiln: " in line]
        assert done.returncode == 2 and len(lines) == 1 and says in lines[0], (says, done.stdout[-500:], done.stderr[-500:])
        assert not done.stdout.strip() or "kiln: " in done.stdout and len(done.stdout.splitlines()) == 1, done.stdout
