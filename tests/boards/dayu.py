# SPDX-License-Identifier: Apache-2.0
"""A base in the DAYU200's shape for the virtual board: its table and sizes, sparse; a 32-bit userland; labels; no program that runs."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

from boards import emmc, small
from image.made import elf

from kiln.image import debugfs
from kiln.product import Product, System
from kiln.spec import Size

BY_NAME = "/dev/block/platform/fe310000.sdhci/by-name"
FSTAB = f"""# <src> <mnt_point> <type> <mnt_flags and options> <fs_mgr_flags>
{BY_NAME}/system /usr ext4 ro,barrier=1 wait,required
{BY_NAME}/vendor /vendor ext4 ro,barrier=1 wait,required
{BY_NAME}/chip_ckm /chip_ckm ext4 ro,barrier=1 wait
{BY_NAME}/sys-prod /sys_prod ext4 ro,barrier=1 wait
{BY_NAME}/userdata /data f2fs discard,noatime,nosuid,nodev,fscrypt=2:aes-256-cts:aes-256-xts,usrquota wait,check,fileencryption=software,quota
{BY_NAME}/misc /misc none none wait,required
"""
HEAD = ("FIRMWARE_VER: 11.0\nMACHINE_MODEL: rk3568_r\nMACHINE_ID: 007\nMANUFACTURER: rockchip\nMAGIC: 0x5041524B\nATAG: 0x00200800\n"
        "MACHINE: rk3568_r\nCHECK_MASK: 0x80\nPWR_HLD: 0,0,A,0,1\nTYPE: GPT\n")


def product(virt: Product) -> Product:
    """A product for it: flashed by rockusb, its model in a partition of its own."""
    return dataclasses.replace(
        virt, name="dayu", system=System("rk3568", virt.system.targets), image=dataclasses.replace(virt.image, formats=("directory",), model_in="model"),
        board=dataclasses.replace(virt.board, transport="rockusb", emmc=Size(emmc.SECTORS * 512)),
        check=dataclasses.replace(virt.check, boot_timeout=60))


def base(folder: Path) -> Path:
    """A folder like packages/phone/images."""
    folder.mkdir(parents=True)
    (folder / "parameter.txt").write_text(f"{HEAD}CMDLINE: mtdparts=rk29xxnand:{emmc.STOCK}\n")
    system = small.system(folder.with_name("system.d"), {
        "system/bin/init": "", "system/etc/param/ohos_const/ohos.para": "const.ohos.fullname=OpenHarmony-7.0.0.36\n",
        "bin": "->/system/bin", "lib": "->/system/lib", "system/lib/ld-musl-arm.so.1": "", "chip_ckm/x": "", "sys_prod/x": "",
        "system/etc/init/samgr.cfg": small.cfg(small.service("samgr", "/system/bin/sa_main", once=1) | {"uid": "root"})})
    (system / "system/bin/init").write_bytes(elf(40))
    (system / "system/lib/ld-musl-arm.so.1").write_bytes(elf(40))
    vendor = small.tree(folder.with_name("vendor.d"), {
        "etc/fstab.rk3568": FSTAB, "bin/hdf_devhost": "", "lib/libold.so": "",
        "etc/init.rk3568.cfg": small.cfg(imports=("/vendor/etc/init.rk3568.usb.cfg",), jobs=(
            {"name": "pre-init", "cmds": ["write /proc/sys/vm/min_free_kbytes 10240", "mkdir /mnt/x"]},)),
        "etc/init.rk3568.usb.cfg": small.cfg()})
    for name, tree, size in (("system", system, 2147483648), ("vendor", vendor, 268431360), ("chip_ckm", None, 33554432), ("sys_prod", None, 52428800)):
        made(folder / f"{name}.img", size, tree)
    for name in ("uboot", "resource", "boot_linux", "ramdisk", "updater"):
        (folder / f"{name}.img").write_bytes(name.encode() * 1000)
    return folder


def made(image: Path, size: int, tree: Path | None) -> None:
    """An ext4 image as mkextimage.py makes it; every file and folder of it labeled."""
    with image.open("wb") as out:
        out.truncate(size)
    subprocess.run(["/sbin/mke2fs", "-q", "-I", "256", "-O", "^has_journal", "-m", "0", "-t", "ext4", "-b", "4096", "-E", "root_owner=0:0",
                    *(["-d", str(tree)] if tree else []), image], check=True)
    paths = [f"/{path.relative_to(tree)}" for path in sorted(tree.rglob("*")) if not path.is_symlink()] if tree else []
    work = image.with_name("label.d")
    work.mkdir(exist_ok=True)
    (work / "label").write_bytes(b"u:object_r:vendor_file:s0\0")
    debugfs.write(image, ["ea_set -f label / security.selinux", *(f"ea_set -f label {path} security.selinux" for path in paths),
                          *(f"sif {path} {what} 0" for path in paths for what in ("uid", "gid"))], folder=work, epoch=1767225600)
