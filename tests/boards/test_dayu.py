# SPDX-License-Identifier: Apache-2.0
"""The image of a DAYU200 on the virtual board: its partitions by name, its fstab, cfg and labels, a static arm64 server on a 32-bit userland."""

from __future__ import annotations

import http.client
import time
from pathlib import Path
from typing import Any

import pytest
from boards import dayu
from faults import BIN, FAULTS, Fault, Seeded
from image import dayu200
from image.made import INPUTS, PLAN, STEPS, artifact, model

from kiln import image, results
from kiln.boards import virt as transport
from kiln.errors import BoardError, ImageError
from kiln.image import base as bases
from kiln.image import gate, place
from kiln.product import Product
from kiln.tools import board as verb

pytestmark = pytest.mark.ci
# What a static server on this base can suffer; the other rows of the table are of libraries.
SEEN = ("server without execute bit", "no label", "wrong ABI of a static server", "truncated model", "service's path wrong", "env value too long", "cfg not imported",
        "fstab names a partition that is not there", "no model partition in parameter.txt", "no model partition on the disk", "partition too small")
MORE = (Fault("wrong ABI of a static server", lambda one: one.patched(BIN, b"\x02\0\xb7\0\x01", b"\x02\0\x28\0\x01"),
              "llama-server: is for 64-bit ARM, the board takes 64-bit AArch64", "Exec format error"),)


@pytest.fixture(scope="module")
def built(virtual: Product, played: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Product]:
    """The finished build of such a product; the server is one that plays its part."""
    product, folder = dayu.product(virtual), tmp_path_factory.mktemp("dayu")
    base = bases.read(dayu200.make(folder / "base"), key="base-key")
    assert (base.abi, base.version) == ("armeabi-v7a", "OpenHarmony-7.0.0.36")
    server = artifact(folder / "a", "/vendor/bin/llama-server", played.read_bytes())
    placed = place.place(product, base, (server,), model(folder / "m"), PLAN)
    made = image.bake(product, base, placed, inputs=INPUTS, steps=STEPS, into=folder / "dayu" / "images",
                      scratch=folder / "dayu" / "image", log=folder / "log")
    whole = verb._with_disk(product, made, folder / "dayu")
    assert verb._with_disk(product, made, folder / "dayu") == whole
    results.save(whole, folder / "dayu" / "images")
    return folder / "dayu", product


def test_the_image_boots_on_the_virtual_board(built: tuple[Path, Product], means: results.Boot, tmp_path: Path) -> None:
    folder, product = built
    images = results.load(results.Images, folder / "images" / results.NAME)
    assert "6 files in 5 partitions are as they were placed, 1 programs" in gate.check(product, images)
    disk = images.outputs[-1].file
    assert disk.stat().st_size == 31268536320 and disk.stat().st_blocks * 512 < 1 << 30
    with transport.boot(product, images, means, logs=tmp_path) as board:
        while not answered(board):
            board.watch()
            assert board.seconds() < 60
        status = board.status("kiln-llm")
        assert status.state == "running" and status.exits == 0
        assert "Uid:\t6900" in board.ask("status", "kiln-llm")[1] and "secon: u:r:su:s0" in board.ask("status", "kiln-llm")[1]
        mounts = board.ask("cat", "/proc/mounts")[1]
        assert f"{dayu200.BY_NAME}/model /mnt/model ext4 ro" in mounts and f"{dayu200.BY_NAME}/sys-prod /sys_prod ext4 ro" in mounts
        assert "100644 0 0 3000001 model.gguf" in board.ask("ls", "/mnt/model")[1]
        assert "rk3568" in board.ask("cat", "/proc/cmdline")[1]
    console = (tmp_path / "board-console.log").read_text(errors="replace")
    assert "the disk of this board stands in for fe310000.sdhci" in console and "service samgr: cannot execute /system/bin/sa_main" in console


def answered(board: transport.VirtualBoard) -> bool:
    time.sleep(0.05)
    if not board.up:
        return False
    line = http.client.HTTPConnection("127.0.0.1", board.ports.service, timeout=5)
    try:
        line.request("GET", "/health")
        return line.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


@pytest.mark.parametrize("fault", [one for one in (*FAULTS, *MORE) if one.name in SEEN], ids=lambda one: one.name.replace(" ", "-"))
def test_the_gate_names_a_fault(built: tuple[Path, Product], tmp_path: Path, fault: Fault) -> None:
    seeded = Seeded(*built, tmp_path / "seeded")
    fault.seed(seeded)
    with pytest.raises(ImageError, match=fault.gate) as raised:
        gate.check(seeded.product, seeded.partitions)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["server without execute bit", "fstab names a partition that is not there"])
def test_the_board_names_a_fault(built: tuple[Path, Product], means: results.Boot, tmp_path: Path, name: str) -> None:
    seeded, fault = Seeded(*built, tmp_path / "seeded"), next(one for one in FAULTS if one.name == name)
    fault.seed(seeded)
    # this server needs no model, so a missing one is only told of
    with pytest.raises(BoardError, match=fault.board or ""), transport.boot(seeded.product, seeded.done(), means, logs=tmp_path) as board:
        while not answered(board):
            board.watch()
        raise board.failure("; ".join(board.causes))


def test_there_is_nothing_to_boot(built: tuple[Path, Product]) -> None:
    folder, product = built
    images: Any = results.Images((), folder / "manifest.json", "")
    with pytest.raises(Exception, match="boots a whole disk or a folder of partitions"):
        verb._with_disk(product, images, folder)


