# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the DAYU200's daily: its real table, image sizes, names, owners, modes and labels, 32- or 64-bit; it boots on the virtual board.

Made of holes, so 2.3 GiB of images take a few MiB and two seconds. What is real and what is not: the table, the sizes of
the file systems, their options, the root's folders and links and the rules of owners and labels are those recorded of
OpenHarmony's own packaging; the names of most files and all of their bytes are made up, its programs are heads of ELF
files. A 64-bit userland runs programs of ours where a real musl loader is given.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from image.made import EPOCH, elf, loader

from kiln.image import debugfs, owners
from kiln.image.formats import sparse as formats
from kiln.run import find

FILES = 1500
NOTHING: Mapping[str, str] = {}
SECTORS = 61071360                     # 29.1 GiB
ROWS = (
    ("uboot", 0x2000, 0x2000, ""), ("misc", 0x4000, 0x2000, ""), ("bootctrl", 0x6000, 0x1000, ""), ("resource", 0x7000, 0x3000, ""),
    ("boot_linux", 0xA000, 0x30000, ":bootable"), ("ramdisk", 0x3A000, 0x2000, ""), ("system", 0x3C000, 0x400000, ""),
    ("vendor", 0x43C000, 0x200000, ""), ("sys-prod", 0x63C000, 0x19000, ""), ("chip-prod", 0x655000, 0x19000, ""),
    ("updater", 0x66E000, 0x10000, ""), ("eng_system", 0x67E000, 0x8000, ""), ("eng_chipset", 0x686000, 0x8000, ""),
    ("chip_ckm", 0x69E000, 0x20000, ""), ("userdata", 0x1308000, 0, ":grow"))
SIZES = {"system": 2147483648, "vendor": 268431360, "sys_prod": 52428800, "chip_prod": 52428800, "chip_ckm": 33554432, "eng_system": 12582912,
         "eng_chipset": 12582912}
PLAIN = {"uboot": 4194304, "resource": 5650944, "boot_linux": 67108864, "ramdisk": 2200000, "updater": 29000000, "userdata": 1468006400}
GUIDS = {"system": "614e0000-0000-4b53-8000-1d28000054a9", "boot_linux": "a2d37d82-51e0-420d-83f5-470db993dd35"}
BY_NAME = "/dev/block/platform/fe310000.sdhci/by-name"
FSTAB = f"""# <src> <mnt_point> <type> <mnt_flags and options> <fs_mgr_flags>
{BY_NAME}/system /usr ext4 ro,barrier=1 wait,required
{BY_NAME}/vendor /vendor ext4 ro,barrier=1 wait,required
{BY_NAME}/chip_ckm /chip_ckm ext4 ro,barrier=1 wait
{BY_NAME}/sys-prod /sys_prod ext4 ro,barrier=1 wait
{BY_NAME}/chip-prod /chip_prod ext4 ro,barrier=1 wait
{BY_NAME}/userdata /data f2fs discard,noatime,nosuid,nodev,fscrypt=2:aes-256-cts:aes-256-xts,usrquota wait,check,fileencryption=software,quota
{BY_NAME}/misc /misc none none wait,required
"""
# Of the root file system: folders to mount on, and links.
TOP = ("config", "dev", "proc", "sys", "updater", "system", "vendor", "data", "chip_ckm", "storage", "mnt", "tmp", "sys_prod", "chip_prod", "module_update",
       "eng_system", "eng_chipset")
LINKS = {"bin": "/system/bin", "init": "/system/bin/init", "etc": "/system/etc", "chipset": "/vendor", "lib": "/system/lib"}
PASSWD = "root:x:0:0:::/bin/false\nsystem:x:1000:1000:::/bin/false\nshell:x:2000:2000:::/bin/false\n"
GROUP = "root:x:0:\nsystem:x:1000:\nshell:x:2000:\nreadproc:x:3009:\n"
FIRST = {"import": ["/vendor/etc/init.${ohos.boot.hardware}.cfg"], "services": [],
         "jobs": [{"name": "pre-init", "cmds": ["mount_fstab_sp /vendor/etc/fstab.${ohos.boot.hardware}"]}]}
SAMGR = {"jobs": [], "services": [{"name": "samgr", "path": ["/system/bin/sa_main"], "uid": "root", "gid": ["system"], "once": 1}]}
INIT = {"import": ["/vendor/etc/init.rk3568.usb.cfg"], "jobs": [{"name": "pre-init", "cmds": ["write /proc/sys/vm/min_free_kbytes 10240", "mkdir /mnt/x"]}],
        "services": [{"name": "ispserver", "path": ["/vendor/bin/ispserver"], "uid": "root", "gid": ["system"], "once": 1}]}


def make(folder: Path, *, bits: int = 32, variant: str = "root", selinux: str = "enforcing", sparse: bool = False, files: int = FILES,
         musl: Path | None = None, libraries: Sequence[Path] = ()) -> Path:
    """A folder like out/rk3568/packages/phone/images; `sparse` gives its ext4 images as Android sparse ones, `musl` is the loader of a userland
    that runs, with these `libraries` beside it."""
    folder.mkdir(parents=True)
    (folder / "parameter.txt").write_text(table())
    (folder / "MiniLoaderAll.bin").write_bytes(loader())
    (folder / "config.cfg").write_bytes(b"CFG\0" + bytes(610))
    for name, size in PLAIN.items():
        with (folder / f"{name}.img").open("wb") as out:
            out.write(hashlib.shake_128(name.encode()).digest(min(size, 9000)))
            out.truncate(size)
    work = folder.with_name(f"{folder.name}.work")
    work.mkdir()
    content = {"system": dict(system(bits, variant, selinux, files * 2 // 3, musl)), "vendor": dict(vendor(bits, files - files * 2 // 3))}
    content["system"].update((f"/system/{'lib' if bits == 32 else 'lib64'}/{file.name}", file.read_bytes()) for file in libraries)
    for name, size in SIZES.items():
        root = name == "system"
        fill(folder / f"{name}.img", size, content.get(name, {}), mount="" if root else f"/{name}", work=work, folders=TOP if root else (),
             links=(LINKS if bits == 32 else {**LINKS, "lib64": "/system/lib64"}) if root else {})
        if sparse:
            (folder / f"{name}.img").rename(work / "raw.img")
            formats.write(work / "raw.img", folder / f"{name}.img")
    return folder


def table() -> str:
    """parameter.txt, key by key as the board's own."""
    items = [f"{f'0x{size:08x}' if size else '-'}@0x{start:08x}({name}{flag})" for name, start, size, flag in ROWS]
    head = ("FIRMWARE_VER: 11.0", "MACHINE_MODEL: rk3568_r", "MACHINE_ID: 007", "MANUFACTURER:  rockchip", "MAGIC: 0x5041524B",
            "ATAG: 0x00200800", "MACHINE: rk3568_r", "CHECK_MASK: 0x80", "PWR_HLD: 0,0,A,0,1", "TYPE: GPT")
    return "\n".join((*head, f"CMDLINE: mtdparts=rk29xxnand:{','.join(items)}", *(f"uuid:{name}={guid}" for name, guid in GUIDS.items()))) + "\n"


def archive(images: Path, into: Path) -> Path:
    """The folder as the daily service packs it: a .tar.gz with the files at its top."""
    with tarfile.open(into, "w:gz", compresslevel=1) as out:
        for file in sorted(images.iterdir()):
            out.add(file, file.name)
    return into


def system(bits: int, variant: str, selinux: str, count: int, musl: Path | None = None) -> Iterator[tuple[str, bytes]]:
    """Board path to bytes of the root file system."""
    head, lib = elf(40 if bits == 32 else 183), "lib" if bits == 32 else "lib64"
    yield "/system/bin/init", head
    yield f"/system/lib/ld-musl-{'arm' if bits == 32 else 'aarch64'}.so.1", musl.read_bytes() if musl else head
    yield from (("/system/etc/passwd", PASSWD.encode()), ("/system/etc/group", GROUP.encode()))
    yield from (("/system/etc/init.cfg", json.dumps(FIRST, indent=4).encode()), ("/system/etc/init/samgr.cfg", json.dumps(SAMGR).encode()))
    yield "/system/etc/param/ohos_const/ohos.para", b"const.ohos.fullname=OpenHarmony-7.0.0.36\n"
    yield "/system/etc/param/ohos.para", f"const.debuggable={int(variant == 'root')}\n".encode()
    yield "/system/etc/selinux/config", f"SELINUX={selinux}\nSELINUXTYPE=targeted\n".encode()
    for name in ("mindspore_lib", "neural_network_runtime", "neural_network_core"):
        yield f"/system/{lib}/lib{name}.so", head + bytes(3000)
    for number in range(count - 12):
        if number % 3:
            yield f"/system/{lib}/module{number % 9}/libm{number}.z.so", hashlib.shake_128(b"%d" % number).digest(200 + number * 7)
        else:
            yield f"/system/etc/init/s{number}.cfg", json.dumps({"jobs": [{"name": f"s{number}", "cmds": []}], "services": []}, indent=number % 5).encode()


def vendor(bits: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Board path to bytes of /vendor."""
    lib = "lib" if bits == 32 else "lib64"
    yield "/vendor/etc/init.rk3568.cfg", json.dumps(INIT, indent=4).encode()
    yield "/vendor/etc/init.rk3568.usb.cfg", b'{"jobs": [], "services": []}\n'
    yield "/vendor/etc/fstab.rk3568", FSTAB.encode()
    yield "/vendor/bin/ispserver", elf(40 if bits == 32 else 183) + bytes(9000)
    for number in range(count - 4):
        yield f"/vendor/{lib if number % 2 else 'etc'}/part{number % 5}/v{number}", hashlib.shake_128(b"v%d" % number).digest(100 + number * 31)


def fill(image: Path, size: int, content: Mapping[str, bytes], *, mount: str, work: Path, folders: Sequence[str] = (), links: Mapping[str, str] = NOTHING) -> None:
    """An ext4 image as mkextimage.py makes it, every file, folder and link with owner, mode and label by its path."""
    with image.open("wb") as out:
        out.truncate(size)
    subprocess.run([find("mke2fs"), "-q", "-F", "-I", "256", "-O", "^has_journal", "-m", "0", "-L", (mount or "/")[:16], "-M", mount or "/", "-t", "ext4",
                    "-b", "4096", image], check=True, env={"PATH": "/usr/sbin:/usr/bin", "E2FSPROGS_FAKE_TIME": str(EPOCH)}, capture_output=True)
    lines, seen, labels = list(labeled("/", owners.folder(mount or "/"), 0o040000, work)), {"/"}, 0
    for path, text in content.items():
        inside = path.removeprefix(mount)
        for parent in [*reversed(Path(inside).parents)]:
            if str(parent) not in seen:
                seen.add(str(parent))
                lines += [f"cd {parent.parent}", f"mkdir {parent.name}", *labeled(str(parent), owners.folder(f"{mount}{parent}"), 0o040000, work)]
        (work / str(labels)).write_bytes(text)
        lines += [f"cd {Path(inside).parent}", f"write {labels} {Path(inside).name}", *labeled(inside, owners.file(path), 0o100000, work)]
        labels += 1
    for name in folders:
        if f"/{name}" not in seen:
            lines += ["cd /", f"mkdir {name}", *labeled(f"/{name}", owners.folder(f"/{name}"), 0o040000, work)]
    for name, to in links.items():
        lines += ["cd /", f"symlink {name} {to}", *labeled(f"/{name}", owners.file(f"/{name}"), 0o120000, work)]
    debugfs.write(image, lines, folder=work, epoch=EPOCH)


def labeled(path: str, owner: owners.Owner, kind: int, work: Path) -> Iterator[str]:
    """debugfs commands for one inode; init's configuration is root's alone, as its dac.txt has it."""
    private, loads = f"{path}/".startswith("/system/etc/init/"), "/ld-musl-" in path       # both as dac.txt has them
    name, mode = f"label-{owner.label.split(':')[2]}", 0o777 if kind == 0o120000 else 0o500 if private else 0o755 if loads else owner.mode
    (work / name).write_bytes(owner.label.encode() + b"\0")
    yield f"sif {path} mode 0{kind | mode:o}"
    yield from (f"sif {path} {what} {value}" for what, value in (("uid", owner.uid), ("gid", owner.gid)))
    yield f"ea_set -f {name} {path} {debugfs.LABEL}"
