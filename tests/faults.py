# SPDX-License-Identifier: Apache-2.0
"""Faults in a finished image, as a table: name, how it is seeded, what the gate says, what the virtual board says.

To add one, add a row. `gate` and `board` are regular expressions on the one line of the error; a fault that one of them
cannot see has None there, with the reason. Some faults are of the kind that Kiln itself might make: their seed also
tells the manifest (`agree`), so that no digest gives them away before their cause does.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kiln import results, stamp
from kiln.image import debugfs, files, spans, table
from kiln.image.ext4 import Reader
from kiln.image.place import MOUNTS
from kiln.product import Product
from kiln.results import Images

CFG, BIN, LIB = "/vendor/etc/kiln.cfg", "/vendor/bin/llama-server", "/vendor/lib64/kiln"
MODEL = "/mnt/model/model.gguf"


class Seeded:
    """A build's images, to be spoiled: what is changed is a private copy. Partition images, table, whole disk, manifest."""

    def __init__(self, built: Path, product: Product, folder: Path) -> None:
        made = results.load(results.Images, built / "images" / results.NAME)
        self.product, self.folder, self.changed = product, folder / "images", set[str]()
        self.folder.mkdir(parents=True)
        shutil.copyfile(made.manifest, folder / "manifest.json")
        self._there = {one.file.name: one.file for one in made.outputs}
        self._images = Images(made.outputs, folder / "manifest.json", made.key)
        self.fstab, self.init = (f"/vendor/etc/{name}.{product.system.name}{end}" for name, end in (("fstab", ""), ("init", ".cfg")))

    @property
    def images(self) -> Images:
        """As they are now."""
        outputs = tuple(dataclasses.replace(one, file=self._there[one.file.name]) for one in self._images.outputs)
        return dataclasses.replace(self._images, outputs=outputs)

    @property
    def partitions(self) -> Images:
        """The folder of partitions alone, which is what changed first."""
        return dataclasses.replace(self.images, outputs=tuple(one for one in self.images.outputs if one.format != "gpt" or "disk" in self.changed))

    def own(self, name: str) -> Path:
        """A copy of one file that may be changed."""
        mine = self.folder / name
        if self._there[name] != mine:
            spans.copy(self._there[name], mine)
            self._there[name] = mine
        return mine

    @property
    def parameter(self) -> Path:
        return self.own("parameter.txt")

    def inside(self, path: str) -> tuple[str, Path, str]:
        """The partition of a board's path, its image, and the path in it."""
        name = next(name for name, mount in MOUNTS.items() if path.startswith(mount + "/"))
        return name, self.own(f"{name.replace('-', '_')}.img"), path[len(MOUNTS[name]):]

    def debug(self, path: str, *lines: str, contents: Mapping[str, bytes] | None = None) -> None:
        """debugfs on the image that holds `path`; `{}` in a line is the path inside it."""
        name, image, inner = self.inside(path)
        work = self.folder.parent / "debugfs"
        work.mkdir(exist_ok=True)
        for file, data in (contents or {}).items():
            (work / file).write_bytes(data)
        debugfs.write(image, [line.format(inner) for line in lines], folder=work, epoch=1767225600)
        self.changed.add(name)

    def read(self, path: str) -> bytes:
        _, image, inner = self.inside(path)
        with Reader(image) as reader:
            return files.text(reader, inner) or b""

    def put(self, path: str, data: bytes, *, agree: bool = False) -> None:
        """Other bytes in a file, all else of it kept."""
        one = next(one for one in self.manifest["files"] if one["path"] == path)
        folder, name = self.inside(path)[2].rsplit("/", 1)
        self.debug(path, f"cd {folder or '/'}", f"rm {name}", f"write data {name}", f"sif {name} mode 0100{one['mode'][1:]}", f"sif {name} uid {one['uid']}",
                   f"sif {name} gid {one['gid']}", f"ea_set -f label {name} security.selinux",
                   contents={"data": data, "label": one["label"].encode() + b"\0"})
        if agree:
            self.agree(path, sha256=stamp.digest(self.folder.parent / "debugfs" / "data"), size=len(data))

    def agree(self, path: str, **values: Any) -> None:
        """The manifest says the same."""
        made = self.manifest
        for one in made["files"]:
            if one["path"] == path:
                one.update(values)
        self.images.manifest.write_text(json.dumps(made))

    @property
    def manifest(self) -> Any:
        return json.loads(self.images.manifest.read_text())

    def cfg(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Another kiln.cfg, as if Kiln had written it so."""
        made = json.loads(self.read(CFG))
        change(made["services"][0])
        self.put(CFG, json.dumps(made).encode(), agree=True)

    def patched(self, path: str, old: bytes, new: bytes) -> None:
        """A program with some bytes of the same length changed, as if it had been built so."""
        data = self.read(path)
        assert len(old) == len(new) and old in data
        self.put(path, data.replace(old, new), agree=True)

    def sgdisk(self, *words: str) -> None:
        subprocess.run(["/sbin/sgdisk", *words, self.own("emmc.img")], check=True, capture_output=True)
        self.changed.add("disk")

    def row(self, name: str) -> tuple[int, int]:
        """Number and first sector of a partition of the disk."""
        rows = table.read(self.parameter).rows
        at = next(number for number, one in enumerate(rows) if one.name == name)
        return at + 1, rows[at].start

    def done(self) -> Images:
        """What was changed is in the whole disk, too."""
        for name in self.changed - {"disk"}:
            with self.own("emmc.img").open("r+b") as out, (self.folder / f"{name.replace('-', '_')}.img").open("rb") as source:
                out.seek(self.row(name)[1] * table.SECTOR)
                shutil.copyfileobj(source, out, 1 << 20)
        return self.images


@dataclass(frozen=True)
class Fault:
    """`board` has no time to wait for where it says None."""

    name: str
    seed: Callable[[Seeded], object]
    gate: str
    board: str | None


def _renamed(one: Seeded) -> None:
    data = one.read(f"{LIB}/libllama.so.0")
    one.debug(f"{LIB}/libllama.so.0", "rm {}", "cd /lib64/kiln", "write data libllama.so.1", "sif libllama.so.1 mode 0100644",
              contents={"data": data})


def _env(name: str, value: str) -> Callable[[dict[str, Any]], None]:
    def change(service: dict[str, Any]) -> None:
        service["env"] = [item for item in service["env"] if item["name"] != name] + [{"name": name, "value": value}]
    return change


def _not_imported(one: Seeded) -> None:
    made = json.loads(one.read(one.init))
    one.put(one.init, json.dumps({**made, "import": [path for path in made["import"] if path != CFG]}).encode(), agree=True)


def _no_row(one: Seeded) -> None:
    text = one.parameter.read_text()
    row = next(item for item in text.split("mtdparts=")[1].split(",") if "(model)" in item)
    one.parameter.write_text("\n".join(line for line in text.replace(f"{row},", "").splitlines() if "uuid:model" not in line) + "\n")


def _small(one: Seeded) -> None:
    """The model's partition, in both tables, ends 1 MiB after it began."""
    number, start = one.row("model")
    text = one.parameter.read_text()
    row = next(item for item in text.split("mtdparts=")[1].split(",") if "(model)" in item)
    one.parameter.write_text(text.replace(row, f"0x00000800@0x{start:08x}(model)"))
    one.sgdisk("-d", str(number), "-a", "1", "-n", f"{number}:{start}:{start + 2047}", "-c", f"{number}:model")


def _short(one: Seeded) -> None:
    size = len(one.read(MODEL))
    one.debug(MODEL, f"sif {{}} size {size - 100_000}")


def _flipped(one: Seeded) -> None:
    data = bytearray(one.read(MODEL))
    data[-200_000] ^= 0x55
    one.put(MODEL, bytes(data))


FAULTS: Sequence[Fault] = (
    Fault("missing library", lambda one: one.debug(f"{LIB}/libllama.so.0", "rm {}"),
          rf"has no file {LIB}/libllama\.so\.0", r"Error loading shared library libllama\.so\.0"),
    Fault("missing libc++", lambda one: one.debug(f"{LIB}/libc++_shared.so", "rm {}"),
          r"has no file \S*/libc\+\+_shared\.so", r"Error loading shared library libc\+\+_shared\.so"),
    Fault("library under another name", _renamed, rf"has no file {LIB}/libllama\.so\.0", r"Error loading shared library libllama\.so\.0"),
    Fault("wrong SONAME", lambda one: one.patched(f"{LIB}/libggml.so.0", b"\0libggml.so.0\0", b"\0libgglm.so.0\0"),
          r"libggml\.so\.0: has the SONAME libgglm\.so\.0, and lies there as libggml\.so\.0", None),       # musl goes by the file's name
    Fault("loader without execute bit", lambda one: one.debug("/system/lib/ld-musl-aarch64.so.1", "sif {} mode 0100644"),
          r"llama-\w+: needs the loader /lib/ld-musl-aarch64\.so\.1, which is not for all to execute: mode 0644", r"cannot execute \S+llama-server: Permission denied"),
    Fault("no loader", lambda one: one.debug("/system/lib/ld-musl-aarch64.so.1", "rm {}"),
          r"llama-\w+: needs the loader /lib/ld-musl-aarch64\.so\.1, which is not there", r"llama-server needs the loader /lib/ld-musl-aarch64\.so\.1"),
    Fault("unresolved symbol", lambda one: one.patched(f"{LIB}/libllama-server-impl.so", b"\0llama_n_ctx_seq\0", b"\0llama_n_ctx_seQ\0"),
          r"libllama-server-impl\.so: wants the symbol llama_n_ctx_seQ, which none of its libraries gives", r"llama_n_ctx_seQ: symbol not found"),
    Fault("wrong ABI", lambda one: one.patched(BIN, b"\x03\0\xb7\0", b"\x03\0\x3e\0"),
          r"llama-server: is for 64-bit x86-64, the board takes 64-bit AArch64", r"cannot execute \S*llama-server: Exec format error"),
    Fault("server that is cut off", lambda one: one.put(BIN, one.read(BIN)[:1000], agree=True), r"llama-server: is a damaged ELF file", r"kiln-llm does not stay up"),
    Fault("server without execute bit", lambda one: one.debug(BIN, "sif {} mode 0100644"),
          r"starts \S*llama-server; its user 6900 may not execute \S*llama-server: mode 0644", r"cannot execute \S*llama-server: Permission denied"),
    Fault("library that only root may read", lambda one: one.debug(f"{LIB}/libmtmd.so.0", "sif {} mode 0100600"),
          r"libmtmd\.so\.0: has mode 0600 instead of 0644", r"Error loading shared library libmtmd\.so\.0"),        # musl says `No such file`
    Fault("folder that only root may enter", lambda one: one.debug(LIB, "sif {} mode 040700"),
          r"may not enter /vendor/lib64/kiln: mode 0700", r"Error loading shared library libllama-server-impl\.so"),
    Fault("wrong owner", lambda one: one.debug(BIN, "sif {} uid 1000"), r"llama-server: belongs to 1000:2000 instead of 0:2000", None),
    Fault("no label", lambda one: one.debug(BIN, "ea_rm {} security.selinux"),
          r"llama-server: has no SELinux label instead of u:object_r:vendor_bin_file:s0", r"llama-server has no SELinux label"),
    Fault("label without NUL", lambda one: one.debug(BIN, "ea_set -f label {} security.selinux", contents={"label": b"u:object_r:vendor_bin_file:s0"}),
          r"llama-server: has a SELinux label without the NUL at its end", None),      # the kernel takes both
    Fault("wrong label", lambda one: one.debug(BIN, "ea_set -f label {} security.selinux", contents={"label": b"u:object_r:data_file:s0\0"}),
          r"has the SELinux label u:object_r:data_file:s0 instead of", None),          # the virtual board enforces none
    Fault("truncated model", _short, r"model\.gguf: has \d+ bytes instead of \d+", r"(?i)model\.gguf|tensor|corrupt"),
    Fault("model that is no GGUF", lambda one: one.put(MODEL, b"GGFU" + one.read(MODEL)[4:]),
          r"model\.gguf: does not hold the bytes that were placed", r"(?i)invalid magic|failed to load model|error loading model"),
    Fault("model with other bytes", _flipped, r"model\.gguf: does not hold the bytes that were placed", None),    # it loads; its answers may even be right
    Fault("model that only root may read", lambda one: one.debug(MODEL, "sif {} mode 0100600"),
          r"loads \S*model\.gguf; its user 6900 may not read", r"(?i)failed to open GGUF file|failed to load model|error loading model"),
    Fault("model's path wrong", lambda one: one.cfg(_env("LLAMA_ARG_MODEL", "/vendor/models/model.gguf")),
          r"loads /vendor/models/model\.gguf, which is not there", r"(?i)/vendor/models/model\.gguf"),
    Fault("service's path wrong", lambda one: one.cfg(lambda service: service.update(path=["/vendor/bin/llama-servr"])),
          r"starts /vendor/bin/llama-servr, which is not there", r"cannot execute /vendor/bin/llama-servr: No such file"),
    Fault("service with 20 words", lambda one: one.cfg(lambda service: service["path"].extend(["-x"] * 19)),
          r"init drops service kiln-llm: .*more than 19 words", r"service kiln-llm is dropped: path has more than 19 strings"),
    Fault("env value too long", lambda one: one.cfg(_env("LLAMA_ARG_ALIAS", "x" * 129)),
          r"init drops service kiln-llm: .*LLAMA_ARG_ALIAS has 129 characters", r"service kiln-llm is dropped: env LLAMA_ARG_ALIAS"),
    Fault("user that is not there", lambda one: one.cfg(lambda service: service.update(uid="kilm")),
          r"holds no service kiln-llm that init would take", r"service kiln-llm is dropped: uid kilm is not in /etc/passwd"),
    Fault("cfg not imported", _not_imported, r"init\.\w+\.cfg: imports no /vendor/etc/kiln\.cfg", r"no service kiln-llm is configured"),
    Fault("cfg with a comma too many", lambda one: one.put(CFG, one.read(CFG).replace(b'"once": 0,', b'"once": 0,,'), agree=True),
          r"kiln\.cfg: is not JSON", r"kiln\.cfg: .*|no service kiln-llm is configured"),
    Fault("fstab names a partition that is not there", lambda one: one.put(one.fstab, one.read(one.fstab).replace(b"by-name/model ", b"by-name/modle "), agree=True),
          r"fstab\.\w+: mounts partition modle on /mnt/model, which the table does not have", r"by-name/modle: no such device"),
    Fault("fstab without the model", lambda one: one.put(one.fstab, b"\n".join(line for line in one.read(one.fstab).splitlines() if b"model" not in line) + b"\n", agree=True),
          r"fstab\.\w+: does not mount partition model on /mnt/model", r"(?i)/mnt/model/model\.gguf"),
    Fault("no model partition in parameter.txt", _no_row, r"parameter\.txt: has no partition model", None),         # the board boots the whole disk
    Fault("no model partition on the disk", lambda one: one.sgdisk("-d", str(one.row("model")[0])),
          r"emmc\.img: has no partition model at sector", r"by-name/model: no such device"),
    Fault("partition too small", _small, r"has \d+ bytes, its partition model only 1048576|partition model has 1048576 bytes, its file system", r"cannot mount \S*/model"),
)
