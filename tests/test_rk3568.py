# SPDX-License-Identifier: Apache-2.0
"""products/rk3568, end to end, on a stand-in of the daily image in its real shape: baked, read by strangers' tools, booted on the virtual board."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import Built, scons
from image import dayu200
from model.made import Shape, write

from kiln.image import spans

pytestmark = pytest.mark.ci
Bake = Callable[..., subprocess.CompletedProcess[str]]


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
def daily(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dayu200.make(tmp_path_factory.mktemp("daily") / "images")


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights and a context that the product's fits into."""
    return write(tmp_path_factory.mktemp("model") / "small.gguf", Shape(context=4096))


@pytest.fixture(scope="module")
def bake(virt: Built, daily: Path, gguf: Path) -> Bake:
    """scons product=rk3568 in the checkout's own build folder, where SDK and host tools are."""
    return lambda *words, base=daily, model=gguf: scons("product=rk3568", f"base={base}", f"model={model}", *words)


@pytest.fixture(scope="module")
def made(bake: Bake, virt: Built) -> Path:
    done = bake()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return virt.build / "rk3568"


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


def test_strangers_agree(made: Path) -> None:
    vendor = made / "images/vendor.img"
    assert subprocess.run(["e2fsck", "-fn", vendor], capture_output=True, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}).returncode == 0
    said = subprocess.run(["debugfs", "-R", "ea_get /bin/llama-server security.selinux", vendor], capture_output=True, text=True,
                          env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}).stdout
    assert "u:object_r:vendor_bin_file:s0\\000" in said
    with (made / "images/update.img").open("rb") as stream:
        assert stream.read(4) == b"RKFW"


def test_everything_else_is_the_bases_own(made: Path, daily: Path) -> None:
    for name in ("system.img", "boot_linux.img", "sys_prod.img", "userdata.img", "uboot.img", "parameter.txt"):
        assert same(daily / name, made / "images" / name), name


def test_the_same_image_on_the_virtual_board(made: Path, bake: Bake) -> None:
    done = bake("check", "board=virt")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    card = json.loads((made / "card.json").read_text())["check"]
    assert card["ok"] and card["answers"][0]["q"] == "Say hello." and card["rss_bytes"] > 1 << 20


def test_refused_in_one_line_before_anything_is_compiled(bake: Bake, daily: Path, tmp_path: Path) -> None:
    def other(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for file in daily.iterdir():
            (folder / file.name).symlink_to(file)
        return folder

    (bare := other("bare"), (bare / "vendor.img").unlink())
    (mute := other("mute"), (mute / "MiniLoaderAll.bin").unlink())
    cases = ((bare, "has no vendor.img"), (mute, "MiniLoaderAll.bin"), (tmp_path / "none", "has no parameter.txt"),
             (dayu200.make(tmp_path / "user", variant="user"), "the base is a user build"))
    for base, says in cases:
        done = bake(f"build={tmp_path / 'b'}", "base", base=base)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "kiln: " in line and " steps" not in line]
        assert done.returncode == 2 and says in lines[-1], (says, done.stdout[-500:], done.stderr[-500:])
