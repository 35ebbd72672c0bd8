# SPDX-License-Identifier: Apache-2.0
"""A fresh ext4 file system of the model partition: made empty with fixed identity, filled by injection.

Every feature is named and the host's mke2fs.conf is put out of force, so e2fsprogs 1.47.0 (Debian 12) and 1.47.2
(Debian 13) give the same bytes. No journal: the partition is only ever mounted read-only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kiln.image import debugfs, identity, inject, owners
from kiln.product import Product
from kiln.progress import Progress, silent
from kiln.results import Artifact, Output, Partition
from kiln.run import run

BLOCK = 4096
FEATURES = ("none,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,"
            "extra_isize,metadata_csum")
_CONF = "[defaults]\n\tblocksize = 4096\n[fs_types]\n\text4 = {\n\t}\n\tsmall = {\n\t}\n\tfloppy = {\n\t}\n\tbig = {\n\t}\n\thuge = {\n\t}\n"


def size_for(files: int) -> int:
    """Bytes of a file system that holds files of so many bytes, in whole MiB."""
    blocks = -(-files // BLOCK) + 64
    groups = blocks // 32000 + 1
    return -(-(blocks + groups * (4 + -(-groups * 64 // BLOCK))) // 256) * 256 * BLOCK


def room_in(partition: int) -> int:
    """Bytes of the largest file that a file system of at most `partition` bytes holds."""
    low, high = 0, partition
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size_for(middle) <= partition else (low, middle - 1)
    return low


def make(items: Sequence[Artifact], into: Path, *, mount: str, limit: int, who: str, epoch: int, log: Path | None,
         progress: Progress = silent) -> None:
    """An image with just `items` in it; `who` (product and partition) gives its UUID and hash seed."""
    empty, conf = into.with_name(f".{into.name}.empty"), into.with_name(".mke2fs.conf")
    into.parent.mkdir(parents=True, exist_ok=True)
    empty.unlink(missing_ok=True)
    conf.write_text(_CONF)
    with empty.open("wb") as stream:
        stream.truncate(size_for(sum(item.size for item in items)))
    env = {"E2FSPROGS_FAKE_TIME": str(epoch), "MKE2FS_CONFIG": str(conf.resolve())}
    extended = f"hash_seed={identity.guid(who, 'hash')},lazy_itable_init=0,nodiscard,root_owner=0:0"
    run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", str(BLOCK), "-I", "256", "-N", "64", "-m", "0", "-O", FEATURES, "-L", who.split("/")[-1][:16],
         "-M", mount, "-U", identity.guid(who, "uuid"), "-E", extended, empty], env=env, log=log)
    _root(empty, mount, epoch, log)
    inject.inject(empty, into, items, mount=mount, limit=limit, epoch=epoch, log=log, progress=progress)
    empty.unlink()
    conf.unlink()


def _root(image: Path, mount: str, epoch: int, log: Path | None) -> None:
    """Owner, mode and label of the top folder; an unlabeled one is denied to every confined domain."""
    owner, label = owners.folder(mount), image.with_name(".label")
    label.write_bytes(owner.label.encode() + b"\0")
    lines = [f"sif / mode 0{0o040000 | owner.mode:o}", f"sif / uid {owner.uid}", f"sif / gid {owner.gid}",
             f"ea_set -f .label / {debugfs.LABEL}", "set_super_value kbytes_written 0"]
    debugfs.write(image, lines, folder=image.parent, epoch=epoch, log=log)
    label.unlink()


def pack(product: Product, partitions: Sequence[Partition], table: Path, into: Path, log: Path,
         progress: Progress = silent) -> tuple[Output, ...]:
    """The model partition's image alone."""
    from kiln.image.formats import directory

    wanted = [row for row in partitions if row.name == "model"]
    outputs = directory.pack(product, wanted, table, into, log, progress)
    return tuple(Output(one.file, "ext4", one.size, one.sha256, one.partition, one.offset) for one in outputs if one.partition)
