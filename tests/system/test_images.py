# SPDX-License-Identifier: Apache-2.0
"""The whole step with the stand-in SDK: libraries for the board, base images, only what changed made anew, the same bytes twice."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from system.trees import TEMPLATE

from kiln import results, run, share, stamp, system
from kiln.errors import ProgramError

if TYPE_CHECKING:
    from checkout import Built

pytestmark = pytest.mark.ci

SECTOR, DISK, MIB = 512, 1 << 30, 1 << 20
NAMES = ("uboot", "misc", "bootctrl", "resource", "boot_linux", "ramdisk", "system", "vendor", "sys-prod", "chip-prod", "updater",
         "eng_system", "eng_chipset", "chip_ckm", "userdata")
EXT4 = ("system", "vendor", "sys_prod", "chip_prod", "eng_system", "eng_chipset", "chip_ckm", "userdata")


@pytest.fixture(scope="module")
def built(build_real: Callable[..., system.Built], tmp_path_factory: pytest.TempPathFactory) -> system.Built:
    return build_real(tmp_path_factory.mktemp("one") / "system")


def debugfs(image: Path, request: str) -> str:
    return subprocess.run([run.find("debugfs"), "-R", request, str(image)], capture_output=True, text=True, check=True).stdout


def steps(built: system.Built) -> set[str]:
    """What ninja did in the last build, by the last part of each name."""
    log = (built.images.parents[2] / "build.log").read_text()
    return {f"{kind} {re.split(r'[/:]', name)[-1]}" for kind, name in re.findall(r"\[NINJA\] \[\d+/\d+\] (\w+) (\S+)", log)}


def test_every_image_is_there_and_whole(built: system.Built) -> None:
    for name in (*EXT4, "uboot", "resource", "boot_linux", "ramdisk", "updater"):
        assert (built.images / f"{name}.img").is_file(), name
    for name in EXT4:
        subprocess.run([run.find("e2fsck"), "-fn", str(built.images / f"{name}.img")], check=True, capture_output=True)
    for name in ("uboot", "boot_linux"):
        assert b"placeholder" in (built.images / f"{name}.img").read_bytes()


def test_the_table_has_the_real_names_in_order_a_hole_and_room_for_each_image(built: system.Built) -> None:
    rows = re.findall(r"(0x[0-9A-F]{8}|-)@(0x[0-9A-F]{8})\(([\w-]+)", (built.images / "parameter.txt").read_text())
    assert tuple(name for _, _, name in rows) == NAMES
    end = 0
    for size, start, name in rows:
        assert int(start, 16) >= end
        if name == "userdata":
            assert (int(start, 16) - end) * SECTOR >= 256 * MIB
            size = hex(DISK // SECTOR - 34 - int(start, 16))
        end = int(start, 16) + int(size, 16)
        image = built.images / f"{name.replace('-', '_')}.img"
        assert not image.exists() or image.stat().st_size <= int(size, 16) * SECTOR, name
    assert end <= DISK // SECTOR


def test_the_root_file_system_has_the_real_folders_and_links(built: system.Built) -> None:
    listed = {line.split()[-1] for line in debugfs(built.images / "system.img", "ls -l /").splitlines() if line.strip()}
    assert {"config", "dev", "proc", "sys", "updater", "system", "vendor", "data", "chip_ckm", "storage", "mnt", "tmp", "sys_prod",
            "chip_prod", "bin", "init", "etc", "lib", "lib64"} <= listed
    for name, target in {"bin": "/system/bin", "init": "/system/bin/init", "etc": "/system/etc", "lib64": "/system/lib64"}.items():
        assert f'Fast link dest: "{target}"' in debugfs(built.images / "system.img", f"stat /{name}")


@pytest.mark.parametrize("image,path,mode,uid,gid,label", [
    ("system", "/", "0755", 0, 0, "rootfs"),
    ("system", "/system/bin", "0751", 0, 2000, "system_bin_file"),
    ("system", "/system/etc/init.cfg", "0644", 0, 0, "system_etc_file"),
    ("system", "/system/etc/param", "0500", 0, 0, "system_etc_file"),
    ("system", "/system/lib/ld-musl-aarch64.so.1", "0755", 0, 2000, "system_lib_file"),
    ("system", "/system/lib64/ndk/libneural_network_core.so", "0644", 0, 0, "system_lib_file"),
    ("vendor", "/", "0755", 0, 2000, "vendor_file"),
    ("vendor", "/etc/fstab.virt", "0644", 0, 0, "vendor_etc_file"),
    ("userdata", "/", "0771", 1000, 1000, "data_file"),
    ("chip_ckm", "/", "0777", 0, 2000, "chip_ckm_file"),
])
def test_owners_modes_and_labels(built: system.Built, image: str, path: str, mode: str, uid: int, gid: int, label: str) -> None:
    told = debugfs(built.images / f"{image}.img", f"stat {path}")
    assert re.search(rf"Mode: +{mode} ", told) and re.search(rf"User: +{uid} +Group: +{gid} ", told)
    assert f'security.selinux ({len(label) + 15}) = "u:object_r:{label}:s0\\000"' in told


def test_libraries_are_for_the_board_and_stand_in_the_image(built: system.Built, tmp_path: Path) -> None:
    assert [item.dest for item in built.libraries.items] == [
        "/system/lib64/platformsdk/libmindspore-lite.so", "/system/lib64/ndk/libneural_network_core.so",
        "/system/lib64/ndk/libneural_network_runtime.so"]
    for item in built.libraries.items:
        data = item.file.read_bytes()
        assert data[:6] == b"\x7fELF\x02\x01" and data[18:20] == b"\xb7\x00"            # 64 bits, little endian, aarch64
        assert stamp.digest(item.file) == item.sha256 and len(data) == item.size
        assert str(built.images).encode() not in data and str(Path.home()).encode() not in data
        debugfs(built.images / "system.img", f"dump {item.dest} {tmp_path / 'dumped'}")
        assert (tmp_path / "dumped").read_bytes() == data
    core = built.libraries.items[1].file.read_bytes()
    assert b"OH_NNDevice_GetAllDevicesID" in core and built.version == "5.1.0.108"


def test_two_folders_two_umasks_one_result(built: system.Built, build_real: Callable[..., system.Built], tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        other = build_real(tmp_path / "deeper" / "and" / "elsewhere" / "system")
    finally:
        os.umask(before)
    names = sorted(file.name for file in built.images.iterdir())
    assert names == sorted(file.name for file in other.images.iterdir())
    assert filecmp.cmpfiles(built.images, other.images, names, shallow=False)[0] == names


def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(built: system.Built, build_real: Callable[..., system.Built],
                                                           virt: Built, tmp_path: Path) -> None:
    musl = next(virt.build.glob(f"src/musl-arm64-*/{results.NAME}"))
    code = ("import sys; from pathlib import Path; from kiln import product, results, share, system; "
            "tool, musl, into = map(Path, sys.argv[1:]); system.build(share.folder('sandbox') / 'ohos', "
            "results.load(results.Toolchain, tool), product.load('virt'), into, loader=results.load(results.Tree, musl), "
            "key='test', log=into / 'log', jobs=2)")
    tool = results.save(virt.toolchain("arm64-v8a"), tmp_path / "tool")
    for moment in (0.3, 0.6, 0.9, 1.1, 1.3, 1.5, 1.7, 1.9):
        child = subprocess.Popen([sys.executable, "-c", code, str(tool), str(musl), str(tmp_path / "system")],
                                 env={**os.environ, "PYTHONPATH": str(share.root() / "site_scons")}, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        child.kill()
        child.wait()
        time.sleep(0.2)                    # the watcher ends build.sh and all below it
    after = build_real(tmp_path / "system")
    names = sorted(file.name for file in built.images.iterdir())
    assert filecmp.cmpfiles(built.images, after.images, names, shallow=False)[0] == names


def test_one_edit_makes_only_its_consumers_anew(build_real: Callable[..., system.Built], tmp_path: Path) -> None:
    template = shutil.copytree(TEMPLATE, tmp_path / "template")
    first = build_real(tmp_path / "system", template)
    vendor = (first.images / "vendor.img").stat()
    build_real(tmp_path / "system", template)
    assert steps(first) == set()                                                        # a null run
    source = next(template.rglob("model_c.cpp"))
    source.write_text(source.read_text().replace("return calloc(1, sizeof(Model));", "return calloc(2, sizeof(Model));"))
    second = build_real(tmp_path / "system", template)
    assert steps(second) == {"CXX model_c.o", "SOLINK libmindspore-lite.so", "SOLINK libmindspore_lite_ndk.so", "ACTION system"}
    after = (second.images / "vendor.img").stat()
    assert (after.st_ino, after.st_mtime_ns) == (vendor.st_ino, vendor.st_mtime_ns)
    assert second.libraries.items[0].sha256 != first.libraries.items[0].sha256
    assert second.libraries.items[1:] == first.libraries.items[1:]


def test_an_image_too_small_for_its_files_is_told(build_real: Callable[..., system.Built], tmp_path: Path) -> None:
    template = shutil.copytree(TEMPLATE, tmp_path / "template")
    conf = template / "device/board/kiln/virt/image_conf/system_image_conf.txt"
    conf.write_text(conf.read_text().replace(str(64 * MIB), str(MIB // 2)))
    with pytest.raises(ProgramError, match="error: system.img: mke2fs: Could not allocate (block|inode)"):
        build_real(tmp_path / "system", template)


def test_a_true_compile_error_names_file_and_line(build_real: Callable[..., system.Built], tmp_path: Path) -> None:
    template = shutil.copytree(TEMPLATE, tmp_path / "template")
    source = next(template.rglob("quant_param.cpp"))
    source.write_text(source.read_text() + "\nint f() { return nothing_of_the_kind; }\n")
    lines = len(source.read_text().splitlines())
    with pytest.raises(ProgramError, match=rf"\): foundation/ai/.*/quant_param.cpp:{lines}:\d+: error: use of undeclared identifier"):
        build_real(tmp_path / "system", template)
