# SPDX-License-Identifier: Apache-2.0
"""Makes one image of packages/phone/images: reads its conf, lays out the root file system for `system`, calls ext4.py."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "hb"))

import ext4
from generation import since

ROOT_FOLDERS = ("config", "dev", "proc", "sys", "updater", "vendor", "data", "chip_ckm", "storage", "mnt", "tmp", "sys_prod",
                "chip_prod", "module_update", "eng_system", "eng_chipset")
ROOT_LINKS = {"bin": "/system/bin", "init": "/system/bin/init", "etc": "/system/etc", "chipset": "/vendor",
              "lib": "/system/lib", "lib64": "/system/lib64"}
HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent.parent


@dataclass(frozen=True)
class Conf:
    """<image>_image_conf.txt: mount point, size in bytes, then --options."""

    mount: str
    size: int
    fs_type: str


def read_conf(file: Path) -> Conf:
    lines = [line.split("#")[0].strip() for line in file.read_text().splitlines()]
    mount, size, *options = [line for line in lines if line]
    named = dict(option.removeprefix("--").split("=", 1) for option in options if "=" in option)
    return Conf(mount, int(size), named.get("fs_type", "ext4"))


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("image-name", "product"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("input-path", "image-config-file", "output-image"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    conf = read_conf(args.image_config_file)
    if conf.fs_type != "ext4":
        print(f"MkImages failed errno: 1: error: {args.image_name}: the stand-in makes ext4 only, not {conf.fs_type}")
        return 2
    args.output_image.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{args.image_name}-", dir=args.output_image.parent.parent) as scratch:
        folder = args.input_path
        if conf.mount == "/":
            folder = lay_root(args.input_path, Path(scratch) / "root")
        refused = fields(args.input_path, args.product) if since("4.0") else ""
        if refused:
            print(f"CfgValidateError: {refused}")
            return 2
        rules = ext4.Rules(HERE / "mkimage" / "dac.txt", TREE / "base/security/selinux_adapter/file_contexts")
        try:
            ext4.make(folder, args.output_image, conf.mount, conf.size, rules, f"{args.product}/{args.image_name}",
                      int(os.environ["SOURCE_DATE_EPOCH"]), Path(scratch))
        except ext4.ImageFailed as error:
            print(f"error run e2fsdroid errno: 1\nerror: {args.image_name}.img: {error}\nMkImages failed errno: 1")
            return 2
    return 0


def fields(folder: Path, product: str) -> str:
    """A service of root or system that the product's list of such does not have; no list, no check (process_field_validate)."""
    lists = sorted((TREE / "vendor").glob(f"*/{product}/security_config/high_privilege_process_list.json"))
    if not lists:
        return ""
    known = {entry["name"] for entry in json.loads(lists[0].read_text())["high_privilege_process_list"]}
    for file in sorted([*folder.glob("etc/init/*.cfg"), *folder.glob("etc/*.cfg")]):
        for service in json.loads(file.read_text()).get("services", []):
            if service.get("uid") in ("root", "system") and service["name"] not in known:
                return f"service {service['name']} in {file.name} has uid {service['uid']} and is not in {lists[0].name}"
    return ""


def lay_root(system: Path, into: Path) -> Path:
    """The root file system: mount points, links into /system, and /system itself."""
    into.mkdir()
    for name in ROOT_FOLDERS:
        (into / name).mkdir()
    for name, target in ROOT_LINKS.items():
        (into / name).symlink_to(target)
    shutil.copytree(system, into / "system", symlinks=True)
    for name in ("bin", "lib", "lib64"):
        (into / "system" / name).mkdir(exist_ok=True)
    return into


if __name__ == "__main__":
    sys.exit(main())
