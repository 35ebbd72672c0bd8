# SPDX-License-Identifier: Apache-2.0
"""The whole room: a base, files and a model in; checked images, a table and a manifest out, the same bytes each time."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from image.made import EPOCH, INPUTS, PLAN, STEPS, model, shipped, small

from kiln import image, results, share
from kiln.errors import Refused
from kiln.image import base as bases
from kiln.image import ext4, files, place, spans, table, tools
from kiln.product import Product
from kiln.progress import Update
from kiln.results import Base, Images

pytestmark = pytest.mark.fast


def bake(product: Product, base: Base, folder: Path) -> Images:
    gguf = model(folder / "m")
    placed = place.place(product, base, shipped(folder / "a"), gguf, PLAN)
    return image.bake(product, base, placed, inputs=INPUTS, steps=STEPS, into=folder / "out" / "images",
                      scratch=folder / "out" / "image", log=folder / "log")


def having(product: Product, **changes: object) -> Product:
    return dataclasses.replace(product, image=dataclasses.replace(product.image, **changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> tuple[Path, Images]:
    """One bake that several tests look at."""
    folder = tmp_path_factory.mktemp("baked")
    return folder, bake(small(), bases.read(base_folder, key="base-key", sandbox=True), folder)


def test_the_images(baked: tuple[Path, Images]) -> None:
    folder, made = baked
    assert sorted(one.file.name for one in made.outputs) == [
        "boot_linux.img", "emmc.img", "model.img", "parameter.txt", "sys_prod.img", "system.img", "vendor.img"]
    assert sorted(file.name for file in (folder / "out" / "images").iterdir()) == sorted(one.file.name for one in made.outputs)
    with ext4.Reader(folder / "out" / "images" / "vendor.img") as reader:
        cfg = json.loads(files.text(reader, "/etc/kiln.cfg") or b"")
        assert cfg["services"][0]["path"] == ["/vendor/bin/llama-server"]
        assert b"/vendor/etc/kiln.cfg" in (files.text(reader, "/etc/init.virt.cfg") or b"")
        assert b"/dev/block/by-name/model /mnt/model ext4" in (files.text(reader, "/etc/fstab.virt") or b"")
        assert files.names(reader, "/etc/kiln/licenses") == ("NOTICE", "llama.cpp")
    with ext4.Reader(folder / "out" / "images" / "model.img") as reader:
        assert files.text(reader, "/model.gguf") == (folder / "m" / "model.gguf").read_bytes()
    row = table.read(folder / "out" / "images" / "parameter.txt").row("model")
    assert row and row.guid and (row.start, row.size) == (0x3A000, 0x60000 - 0x3A000)


def test_the_manifest(baked: tuple[Path, Images]) -> None:
    folder, made = baked
    text = made.manifest.read_text()
    manifest = json.loads(text)
    assert made.manifest == folder / "out" / "manifest.json"
    assert list(manifest) == sorted(["schema", "product", "epoch", "reproducible", "base", "inputs", "steps", "images", "files"])
    assert (manifest["schema"], manifest["product"], manifest["epoch"], manifest["reproducible"]) == (1, "virt", EPOCH, True)
    assert [one["name"] for one in manifest["inputs"]] == ["a", "llama.cpp"]
    assert manifest["base"]["abi"] == "arm64-v8a" and {one["linkage"] for one in manifest["base"]["linkage"]} == {"shared"}
    assert {one["partition"] for one in manifest["base"]["file_systems"]} >= {"system", "vendor"}
    assert [one["step"] for one in manifest["steps"]] == ["image", "model", "system"]
    paths = [one["path"] for one in manifest["files"]]
    assert paths == sorted(paths) and "/mnt/model/model.gguf" in paths and "/vendor/bin/llama-server" in paths
    server = manifest["files"][paths.index("/vendor/bin/llama-server")]
    assert server["partition"] == "vendor" and server["mode"] == "0755" and server["origin"] == "test"
    assert manifest["files"][paths.index("/vendor/etc/init.virt.cfg")]["origin"] == "kiln, edited"
    assert {one["file"]: one["sha256"] for one in manifest["images"]} == {one.file.name: spans.digest(one.file) for one in made.outputs}
    assert str(folder) not in text and os.uname().nodename not in re.findall(r'"([^"]*)"', text)


def test_every_listed_file_is_in_its_partition(baked: tuple[Path, Images]) -> None:
    folder, made = baked
    for one in json.loads(made.manifest.read_text())["files"]:
        with ext4.Reader(folder / "out" / "images" / f"{one['partition']}.img") as reader:
            found = files.find(reader, one["path"].removeprefix(place.MOUNTS[one["partition"]]))
            assert found and (found.mode, found.uid, found.gid, found.size) == (0o100000 | int(one["mode"], 8), one["uid"], one["gid"], one["size"])


def test_the_result_can_be_saved_and_loaded(baked: tuple[Path, Images], tmp_path: Path) -> None:
    assert results.load(Images, results.save(baked[1], tmp_path)) == baked[1]


AS_ANOTHER = """
import os, sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from image.made import small
from image.test_bake import bake
from kiln.image import base as bases
from kiln.image.formats import directory, gpt
folder, base, uid = sys.argv[1:]
os.umask(0o077)
os.chdir(folder)
product = small()
if int(uid):                    # after the imports: nobody may not read every Python
    os.setgroups([]); os.setgid(int(uid)); os.setuid(int(uid))
bake(product, bases.read(Path(base), key="base-key", sandbox=True), Path(folder))
"""


def test_the_same_bytes_elsewhere_by_somebody_else(baked: tuple[Path, Images], base_folder: Path) -> None:
    """In another folder, with another umask, and where we may as another user (nobody), who is not root."""
    reached = all(folder.stat().st_mode & 0o001 for folder in (share.root(), *share.root().parents))
    uid = 65534 if os.geteuid() == 0 and reached else 0
    with tempfile.TemporaryDirectory(prefix="kiln, elsewhere ") as name:
        base = Path(subprocess.run(["cp", "-r", "--sparse=always", base_folder, f"{name}/base"], check=True).args[-1])
        for file in (Path(name), base, *base.iterdir()):
            os.chmod(file, 0o755)
        if uid:
            os.chown(name, uid, uid)
        paths = os.pathsep.join(path for path in sys.path if path)
        env = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([sys.executable, "-c", AS_ANOTHER, name, base, str(uid)], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        mine, theirs = baked[0] / "out", Path(name) / "out"
        for file in ("manifest.json", *(f"images/{one.file.name}" for one in baked[1].outputs)):
            assert spans.digest(mine / file) == spans.digest(theirs / file), file


def test_a_run_that_was_cut_repeats_one_partition(virt: Product, base: Base, baked: tuple[Path, Images], tmp_path: Path) -> None:
    product = having(virt, formats=("directory",))
    first = bake(product, base, tmp_path)
    scratch, when = tmp_path / "out" / "image", {}
    for name in ("vendor", "model"):
        when[name] = (scratch / name / f"{name}.img").stat().st_ino
    (scratch / "vendor" / ".made.json").unlink()                 # as if killed before vendor was finished
    (scratch / "vendor" / ".vendor.img.work").mkdir()
    (scratch / "vendor" / ".vendor.img.work" / "vendor.img").write_bytes(b"half")
    (tmp_path / "out" / "images" / ".system.img.tmp").write_bytes(b"half")
    again = bake(product, base, tmp_path)
    assert (scratch / "model" / "model.img").stat().st_ino == when["model"]
    assert (scratch / "vendor" / "vendor.img").stat().st_ino != when["vendor"]
    assert again == first and not list(tmp_path.rglob("*.tmp")) and not list(tmp_path.rglob("*.work"))
    assert spans.digest(tmp_path / "out" / "images" / "vendor.img") == spans.digest(baked[0] / "out" / "images" / "vendor.img")


def test_the_model_in_vendor_where_an_earlier_run_had_it_in_a_partition(virt: Product, base: Base, tmp_path: Path) -> None:
    (tmp_path / "out" / "images").mkdir(parents=True)
    for stale in ("model.img", "emmc.img", ".emmc.img.tmp"):
        (tmp_path / "out" / "images" / stale).write_bytes(b"stale")
    made = bake(having(virt, formats=("directory",), model_in="vendor"), base, tmp_path)
    assert sorted(file.name for file in (tmp_path / "out" / "images").iterdir()) == sorted(one.file.name for one in made.outputs)
    assert not (tmp_path / "out" / "images" / "model.img").exists()
    assert (tmp_path / "out" / "images" / "parameter.txt").read_bytes() == base.parameter.read_bytes()
    with ext4.Reader(tmp_path / "out" / "images" / "vendor.img") as reader:
        assert files.find(reader, "/models/model.gguf") and b"/mnt/model" not in (files.text(reader, "/etc/fstab.virt") or b"")
        assert b"/vendor/models/model.gguf" in (files.text(reader, "/etc/kiln.cfg") or b"")


FULL = """
import resource, signal, sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from image.test_bake import bake, having
from image.made import small
from kiln.errors import KilnError
from kiln.image import base as bases
base = bases.read(Path(sys.argv[2]), key="base-key", sandbox=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    bake(having(small(), formats=("directory",)), base, Path(sys.argv[1]))
except KilnError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [6 << 20, 10 << 20])
def test_no_room_is_told_in_one_line_and_the_next_run_finishes(virt: Product, base: Base, base_folder: Path, tmp_path: Path, limit: int) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path, base_folder, str(limit)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\S.*: cannot be written: File too large; make room and run again: finished parts are kept\n", done.stdout)
    assert not list((tmp_path / "out").rglob("*.work"))
    assert bake(having(virt, formats=("directory",)), base, tmp_path).manifest.exists()


def test_an_epoch_of_zero_is_refused(virt: Product, base: Base, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="image.epoch must be at least 1"):
        bake(having(virt, epoch=0), base, tmp_path)


def test_a_tool_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools.check()
    (tmp_path / "debugfs").write_text("#!/bin/sh\necho 'debugfs 1.45.6 (20-Mar-2020)' >&2\n")
    (tmp_path / "debugfs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Refused) as caught:
        tools.check()
    assert str(caught.value) == ("image: debugfs 1.45.6 is not known to make the same image bytes; 1.46.2 to 1.47.4 do; "
                                 "Debian 12 and 13 have such")


def test_progress_counts_every_byte_written(virt: Product, base: Base, tmp_path: Path) -> None:
    told: dict[str, list[int]] = {}

    @contextmanager
    def count(total: int, what: str, unit: str = "B") -> Iterator[Update]:
        told[what] = [total, 0]

        def update(by: int, total: int | None = None) -> None:
            told[what][1] += by

        yield update

    gguf = model(tmp_path / "m")
    placed = place.place(virt, base, shipped(tmp_path / "a"), gguf, PLAN)
    image.bake(virt, base, placed, inputs=INPUTS, steps=STEPS, into=tmp_path / "out" / "images", scratch=tmp_path / "out" / "image",
               log=tmp_path / "log", progress=count)
    assert list(told) == ["write vendor.img", "write model.img", "pack directory", "pack gpt"]
    assert told["write model.img"] == [gguf.size, gguf.size] and told["write vendor.img"][0] == told["write vendor.img"][1]
    assert all(0 < done <= total * 1.1 for total, done in told.values())
