# SPDX-License-Identifier: Apache-2.0
"""Bases for the tests of the image room, made by mke2fs and debugfs as OpenHarmony's packaging would lay them out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

from kiln import product as products
from kiln.footprint import Budget
from kiln.image import rockchip
from kiln.results import Artifact, Gguf, Input, Step
from kiln.spec import Size

# The DAYU200's names and order, made small: a disk of 256 MiB. One free span, between chip_ckm and userdata.
ROWS = (
    ("uboot", 0x2000, 0x800, ""), ("misc", 0x2800, 0x800, ""), ("bootctrl", 0x3000, 0x800, ""), ("resource", 0x3800, 0x800, ""),
    ("boot_linux", 0x4000, 0x1000, ":bootable"), ("ramdisk", 0x5000, 0x800, ""), ("system", 0x6000, 0x8000, ""),
    ("vendor", 0xE000, 0x20000, ""), ("sys-prod", 0x2E000, 0x2000, ""), ("chip-prod", 0x30000, 0x2000, ""),
    ("updater", 0x32000, 0x2000, ""), ("eng_system", 0x34000, 0x1000, ""), ("eng_chipset", 0x35000, 0x1000, ""),
    ("chip_ckm", 0x38000, 0x2000, ""), ("userdata", 0x60000, 0, ":grow"))
SYSTEM_GUID = "614e0000-0000-4b53-8000-1d28000054a9"
EPOCH = 1767225600


def parameter(rows: tuple[tuple[str, int, int, str], ...] = ROWS) -> str:
    """A parameter.txt in the real file's grammar."""
    items = [f"{f'0x{size:08x}' if size else '-'}@0x{start:08x}({name}{flag})" for name, start, size, flag in rows]
    head = ("FIRMWARE_VER: 11.0", "MACHINE_MODEL: rk3568_r", "MACHINE_ID: 007", "MANUFACTURER: rockchip", "MAGIC: 0x5041524B",
            "ATAG: 0x00200800", "MACHINE: rk3568_r", "CHECK_MASK: 0x80", "PWR_HLD: 0,0,A,0,1", "TYPE: GPT")
    return "\n".join((*head, f"CMDLINE: mtdparts=rk29xxnand:{','.join(items)}", f"uuid:system={SYSTEM_GUID}")) + "\n"


def small(name: str = "virt", emmc: int = 256 << 20) -> products.Product:
    """A product on a disk of the table above."""
    product = products.load(name)
    return dataclasses.replace(product, board=dataclasses.replace(product.board, emmc=Size(emmc)))


def elf(machine: int) -> bytes:
    """The first bytes of an ELF file for a machine, enough to tell the ABI."""
    return b"\x7fELF" + bytes([2 if machine in (183, 62) else 1, 1, 1, 0]) + bytes(8) + struct.pack("<HH", 3, machine) + bytes(44)


def make_ext4(image: Path, size: int, files: Mapping[str, bytes], *, options: tuple[str, ...] = (), host: Path) -> Path:
    """An ext4 image with files; owners, modes and labels as mkextimage.py and dac.txt give them."""
    host.mkdir(parents=True, exist_ok=True)
    image.unlink(missing_ok=True)
    with image.open("wb") as stream:
        stream.truncate(size)
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "E2FSPROGS_FAKE_TIME": "1700000000"}
    subprocess.run(["mke2fs", "-q", "-F", "-I", "256", "-O", "^has_journal", "-m", "0", "-t", "ext4", "-b", "4096", *options, image],
                   check=True, env=env, capture_output=True)
    lines, folders = [], set()
    (host / "label").write_bytes(b"u:object_r:vendor_file:s0\0")
    for number, (path, text) in enumerate(files.items()):
        parents = path.strip("/").split("/")[:-1]
        for depth in range(1, len(parents) + 1):
            folder = "/" + "/".join(parents[:depth])
            if folder not in folders:
                folders.add(folder)
                lines += [f"cd {folder.rsplit('/', 1)[0] or '/'}", f"mkdir {parents[depth - 1]}", f"sif {folder} gid 2000"]
        (host / str(number)).write_bytes(text)
        lines += [f"cd {path.rsplit('/', 1)[0] or '/'}", f"write {number} {path.rsplit('/', 1)[1]}", f"sif {path} gid {number % 7 * 1000}",
                  f"sif {path} mode 0100{'755' if number % 3 else '640'}", f"ea_set -f label {path} security.selinux"]
    done = subprocess.run(["debugfs", "-w", "-f", "-", image], input="\n".join(lines) + "\n", cwd=host, env=env, text=True,
                          capture_output=True, check=True)
    assert len(done.stderr.splitlines()) <= 1, done.stderr
    return image


INIT_CFG = {"import": ["/vendor/etc/init.virt.usb.cfg"], "jobs": [{"name": "pre-init", "cmds": ["mkdir /mnt/x"]}], "services": []}
FSTAB = ("# <src> <mnt_point> <type> <mnt_flags and options> <fs_mgr_flags>\n"
         "/dev/block/by-name/system /usr ext4 ro,barrier=1 wait,required\n"
         "/dev/block/by-name/vendor /vendor ext4 ro,barrier=1 wait,required\n")
VENDOR = {"/etc/init.virt.cfg": json.dumps(INIT_CFG, indent=2).encode(), "/etc/fstab.virt": FSTAB.encode(),
          "/bin/ispserver": b"isp" * 5000, "/lib64/libold.so": bytes(range(256)) * 100}
SYSTEM = {"/system/bin/init": elf(183), "/system/etc/param/ohos_const/ohos.para": b"const.ohos.fullname=OpenHarmony-7.0.0.36\n"}


def make_base(folder: Path, *, vendor: Mapping[str, bytes] = VENDOR, vendor_size: int = 16 << 20,
              system: Mapping[str, bytes] = SYSTEM, rows: tuple[tuple[str, int, int, str], ...] = ROWS) -> Path:
    """A folder like packages/phone/images."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "parameter.txt").write_text(parameter(rows))
    make_ext4(folder / "system.img", 8 << 20, system, host=folder.with_name(folder.name + ".host"))
    make_ext4(folder / "vendor.img", vendor_size, vendor, host=folder.with_name(folder.name + ".host"))
    make_ext4(folder / "sys_prod.img", 1 << 20, {}, host=folder.with_name(folder.name + ".host"))
    (folder / "boot_linux.img").write_bytes(b"boot" * 1000)
    return folder


def artifact(folder: Path, dest: str, text: bytes, *, mode: int = 0o755, uid: int = 0, gid: int = 2000,
             label: str = "u:object_r:vendor_bin_file:s0", origin: str = "test") -> Artifact:
    """A file for the board, made in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / hashlib.sha256(dest.encode()).hexdigest()[:16]
    file.write_bytes(text)
    return Artifact(file, dest, mode, uid, gid, label, origin, hashlib.sha256(text).hexdigest(), len(text))


def model(folder: Path, size: int = 3_000_001) -> Gguf:
    """A model file of so many bytes, none of them twice in a row."""
    folder.mkdir(parents=True, exist_ok=True)
    text = hashlib.shake_128(b"model").digest(size)
    file = folder / "model.gguf"
    file.write_bytes(text)
    return Gguf(file, hashlib.sha256(text).hexdigest(), size, "q4_0", "tiny", "Apache-2.0", 512, "model-key")


def shipped(folder: Path) -> tuple[Artifact, ...]:
    """What a native target would give: a program, libraries, a licence text."""
    return (artifact(folder, "/vendor/bin/llama-server", b"\x7fELF" + b"s" * 100_000),
            artifact(folder, "/vendor/lib64/kiln/libllama.so", bytes(50_000), mode=0o644, label="u:object_r:vendor_lib_file:s0"),
            artifact(folder, "/vendor/lib64/kiln/empty.so", b"", mode=0o644, label="u:object_r:vendor_lib_file:s0"),
            artifact(folder, "/vendor/etc/kiln/licenses/llama.cpp", b"MIT\n", mode=0o644, gid=0, label="u:object_r:vendor_etc_file:s0"))


# One slot of 512 tokens on a board of 1 GiB.
PLAN = Budget("q4_0", 512, 1, False, 512, "f16", True, True, 3_000_001, True, 1 << 28, 3_000_001, 0, 0, 1 << 20, 1 << 20, 32 << 20, 0, 0, 1 << 27, 1 << 30, 0.0)
INPUTS = (Input("llama.cpp", "pypi", "0.3.36", "8" * 64, 76589250, "MIT"), Input("a", "deb", "1", "7" * 64, 5, "GPL-2.0-only"))
STEPS = (Step("system", "base-key", 1), Step("model", "model-key", 1))


def loader(tag: bytes = b"LDR ", chip: bytes = b"8653") -> bytes:
    """A loader in the real one's shape: head of 0x66 bytes with the chip at 21, something, its checksum."""
    head = struct.pack("<4sHII7s4s", tag, 0x66, 0x0101, 0, bytes(7), chip).ljust(0x66, b"\0")
    body = head + random.Random(3).randbytes(5001)
    return body + struct.pack("<I", rockchip.crc(body))
