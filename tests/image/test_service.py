# SPDX-License-Identifier: Apache-2.0
"""The files that make the board start the server, as OpenHarmony's init takes them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from image.made import FSTAB, INIT_CFG, INPUTS, PLAN, VENDOR, make_ext4, model, shipped

from kiln.errors import ImageError, Refused, SpecError
from kiln.image import place, service
from kiln.product import Product
from kiln.results import Base, Placement

pytestmark = pytest.mark.fast


@pytest.fixture
def placed(virt: Product, base: Base, tmp_path: Path) -> Placement:
    return place.place(virt, base, shipped(tmp_path), model(tmp_path), PLAN)


def having(product: Product, **changes: Any) -> Product:
    return dataclasses.replace(product, service=dataclasses.replace(product.service, **changes))


def test_the_service(virt: Product, placed: Placement) -> None:
    two = dataclasses.replace(placed, budget=dataclasses.replace(PLAN, slots=2, pool=1024, prompts=(5 << 20) + 1))
    made = service.cfg(having(virt, slots=2, importance=-5, cores=(0, 3)), two)
    (one,) = made["services"]
    env = {item["name"]: item["value"] for item in one["env"]}
    assert one["name"] == "kiln-llm" and one["path"] == ["/vendor/bin/llama-server"] and one["once"] == 0
    assert one["sandbox"] == 0 and one["secon"] == "u:r:su:s0" and one["start-mode"] == "normal"
    assert one["importance"] == -5 and one["cpucore"] == [0, 3]
    assert env["LLAMA_ARG_MODEL"] == "/mnt/model/model.gguf" and env["LLAMA_ARG_HOST"] == "127.0.0.1" and env["LLAMA_ARG_PORT"] == "8080"
    assert env["LLAMA_ARG_CTX_SIZE"] == "1024" and env["LLAMA_ARG_N_PARALLEL"] == "2"      # 512 tokens for each slot
    assert env["LLAMA_ARG_KV_UNIFIED"] == "0" and "LLAMA_ARG_KV_UNIFIED_PER_SLOT" not in env
    assert env["LLAMA_ARG_CACHE_RAM"] == "5" and env["LLAMA_ARG_FIT"] == "off"
    assert env["LLAMA_ARG_CACHE_TYPE_K"] == env["LLAMA_ARG_CACHE_TYPE_V"] == "f16" and env["LLAMA_ARG_THREADS"] == "1"
    assert all(isinstance(value, str) for value in env.values()) and "LLAMA_ARG_API_KEY_FILE" not in env
    assert made["jobs"] == [{"name": "pre-init", "cmds": ["mkdir /mnt/model"]}]


def test_slots_that_share_one_cache(virt: Product, placed: Placement) -> None:
    shared = dataclasses.replace(placed, budget=dataclasses.replace(PLAN, slots=4, pool=1280, unified=True, kv_type="q8_0"))
    made = service.settings(virt, shared)
    assert (made["LLAMA_ARG_KV_UNIFIED"], made["LLAMA_ARG_CTX_SIZE"], made["LLAMA_ARG_KV_UNIFIED_PER_SLOT"]) == ("1", "1280", "512")
    assert made["LLAMA_ARG_CACHE_TYPE_K"] == made["LLAMA_ARG_CACHE_TYPE_V"] == "q8_0"


def test_init_takes_128_characters_of_a_value(virt: Product, placed: Placement) -> None:
    assert service.cfg(having(virt, api_key_file="/data/" + "k" * 122), placed)
    with pytest.raises(Refused, match="LLAMA_ARG_API_KEY_FILE has 129 characters"):
        service.cfg(having(virt, api_key_file="/data/" + "k" * 123), placed)


def test_the_import_is_added_once_and_the_rest_stays() -> None:
    before = json.dumps(INIT_CFG)
    once = service.imported(before, service.CFG)
    assert json.loads(once) == {**INIT_CFG, "import": [*INIT_CFG["import"], service.CFG]}
    assert list(json.loads(once)) == list(INIT_CFG)
    assert service.imported(once, service.CFG) == once
    assert json.loads(service.imported("{}", service.CFG)) == {"import": [service.CFG]}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"import": "x"}', "[" * 100_000, "null"])
def test_a_broken_cfg_is_told(text: str) -> None:
    with pytest.raises(ImageError):
        service.imported(text, service.CFG)


def test_the_mount_is_added_once_where_the_others_are() -> None:
    once = service.mounted(FSTAB)
    assert once == FSTAB + "/dev/block/by-name/model /mnt/model ext4 ro,barrier=1 wait\n"
    assert service.mounted(once) == once
    real = "/dev/block/platform/fe310000.sdhci/by-name/vendor    /vendor    ext4    ro,barrier=1    wait,required"
    assert service.mounted(real).splitlines()[1].split()[0] == "/dev/block/platform/fe310000.sdhci/by-name/model"
    with pytest.raises(ImageError, match="no line for /vendor"):
        service.mounted("# /dev/block/by-name/vendor /vendor\n")


def test_edited_files_keep_owner_mode_and_label(virt: Product, base: Base, placed: Placement, tmp_path: Path) -> None:
    vendor = next(row.image for row in base.partitions if row.name == "vendor")
    assert vendor is not None
    made = {item.dest: item for item in service.generated(virt, placed, INPUTS, vendor, tmp_path / "s")}
    assert sorted(made) == ["/vendor/etc/fstab.virt", "/vendor/etc/init.virt.cfg", service.CFG, service.NOTICE]
    init, fstab = made["/vendor/etc/init.virt.cfg"], made["/vendor/etc/fstab.virt"]
    assert (init.mode, init.gid, init.label, init.origin) == (0o640, 0, "u:object_r:vendor_file:s0", "kiln, edited")
    assert (fstab.mode, fstab.gid) == (0o755, 1000)
    assert made[service.CFG].label == "u:object_r:vendor_etc_file:s0"
    assert made[service.NOTICE].file.read_text() == "a 1: GPL-2.0-only\nllama.cpp 0.3.36: MIT\n"


@pytest.mark.parametrize("lacking,says", [("/etc/init.virt.cfg", "there is: nothing like it"), ("/etc/fstab.virt", "has no /vendor/etc/fstab.virt")])
def test_a_base_of_another_board_is_told(virt: Product, placed: Placement, tmp_path: Path, lacking: str, says: str) -> None:
    image = make_ext4(tmp_path / "vendor.img", 2 << 20, {path: text for path, text in VENDOR.items() if path != lacking}, host=tmp_path / "h")
    with pytest.raises(ImageError, match=says):
        service.generated(virt, placed, INPUTS, image, tmp_path / "s")


def test_the_delegate_is_named_where_it_lies_and_the_product_adds_what_it_says(virt: Product, placed: Placement) -> None:
    plain = service.settings(having(virt, env={}), placed)
    assert "GGML_BACKEND_PATH" not in plain, "a product that ships none has none"
    item = dataclasses.replace(placed.items[0], dest="/vendor/lib64/libggml-nnrt.so")
    with_it = dataclasses.replace(placed, items=(*placed.items, item))
    assert service.settings(having(virt, env={"GGML_NNRT_KEEP": "correct"}), with_it) == {
        **plain, "GGML_BACKEND_PATH": "/vendor/lib64/libggml-nnrt.so", "GGML_NNRT_KEEP": "correct"}


@pytest.mark.parametrize("name", ["LLAMA_ARG_HOST", "LD_PRELOAD", "GGML_BACKEND_PATH", "PATH", "lower", ""])
def test_a_product_cannot_set_what_follows_from_its_keys(virt: Product, name: str) -> None:
    with pytest.raises(SpecError, match="service.env cannot set"):
        having(virt, env={name: "1"})
