# SPDX-License-Identifier: Apache-2.0
"""Files into an existing image: they arrive whole, everything else stays as it was, the bytes are the same each time."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from image.made import EPOCH, artifact, make_ext4

from kiln.errors import ImageError, KilnError, Refused
from kiln.image import debugfs, ext4, files, inject, proof
from kiln.results import Artifact
from kiln.run import find

pytestmark = pytest.mark.fast
OLD = {"/etc/a": b"a" * 100, "/bin/b": b"b" * 9000, "/etc/fstab": b"old\n"}
MIB = 1 << 20


def random_bytes(size: int, seed: bytes = b"x") -> bytes:
    return hashlib.shake_128(seed).digest(size)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make_ext4(tmp_path / "vendor.img", 8 * MIB, OLD, host=tmp_path / "h")


def put(image: Path, items: list[Artifact], into: Path, limit: int = 64 * MIB) -> Path:
    inject.inject(image, into, items, mount="/vendor", limit=limit, epoch=EPOCH, log=into.parent / "log")
    return into


def content(image: Path, path: str) -> bytes | None:
    with ext4.Reader(image) as reader:
        return files.text(reader, path)


def asked(image: Path, command: str) -> str:
    return subprocess.run([find("debugfs"), "-R", command, str(image)], capture_output=True, text=True, check=True).stdout


def fsck(image: Path) -> int:
    return subprocess.run([find("e2fsck"), "-fn", str(image)], capture_output=True, check=False).returncode


def test_files_arrive_with_owner_mode_label_and_time(image: Path, tmp_path: Path) -> None:
    sizes = (0, 1, 4095, 4096, 4097, 300_000)
    items = [artifact(tmp_path / "a", f"/vendor/lib64/kiln/f{n}", random_bytes(n), mode=0o640, uid=70_000, gid=2000) for n in sizes]
    new = put(image, items, tmp_path / "new.img")
    assert fsck(new) == 0
    for size in sizes:
        assert content(new, f"/lib64/kiln/f{size}") == random_bytes(size)
        text = asked(new, f"stat /lib64/kiln/f{size}")
        assert re.search(r"Mode:\s+0640", text) and re.search(r"User:\s*70000\s+Group:\s*2000", text)
        assert {f"{EPOCH:#010x}"} == {at.split(":")[0] for at in re.findall(r"[acm]r?time: (\S+)", text)}
        assert re.search(r'security\.selinux \(\d+\) = "u:object_r:vendor_bin_file:s0\\000"', text)
    for folder, label in (("/lib64", "vendor_lib_file"), ("/lib64/kiln", "vendor_lib_file")):
        assert debugfs.label(new, folder, tmp_path / "s") == f"u:object_r:{label}:s0"
        assert re.search(r"Mode:\s+0755", asked(new, f"stat {folder}")) and "Group:  2000" in asked(new, f"stat {folder}")


def test_everything_else_stays_as_it_was(tmp_path: Path) -> None:
    """1,500 files with owners, modes and labels; grown; compared inode by inode and byte by byte by strangers' tools."""
    many = {f"/etc/d{n % 40}/file{n}": random_bytes(n * 7 % 6000, b"%d" % n) for n in range(1500)}
    old = make_ext4(tmp_path / "vendor.img", 20 * MIB, many, host=tmp_path / "h")
    items = [artifact(tmp_path / "a", "/vendor/models/model.gguf", random_bytes(30 * MIB)), artifact(tmp_path / "a", "/vendor/etc/d7/new", b"new")]
    new = put(old, items, tmp_path / "new.img")
    assert fsck(new) == 0 and content(new, "/etc/d7/new") == b"new"
    with ext4.Reader(old) as reader:
        kept = [number for number in reader.used_inodes() if number > 10]
        d7 = files.find(reader, "/etc/d7")
    assert len(kept) > 1540 and d7
    stats = "\n".join(f"stat <{number}>" for number in kept)
    before, after = ({line: text for line, _, text in (part.partition("\n") for part in subprocess.run(
        [find("debugfs"), "-f", "-", str(image)], input=stats, capture_output=True, text=True, check=True).stdout.split("debugfs: stat "))}
        for image in (old, new))
    assert {name for name, text in before.items() if after[name] != text} <= {f"<{d7.inode}>", "<2>"}
    for image, folder in ((old, tmp_path / "was"), (new, tmp_path / "is")):
        folder.mkdir()
        subprocess.run([find("debugfs"), "-R", f"rdump /etc {folder}", str(image)], capture_output=True, check=True)
    done = subprocess.run(["diff", "-rq", tmp_path / "was", tmp_path / "is"], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [f"Only in {tmp_path}/is/etc/d7: new"]


def test_a_file_of_the_base_is_replaced_on_purpose_only(image: Path, tmp_path: Path) -> None:
    item = artifact(tmp_path / "a", "/vendor/etc/fstab", b"new and longer\n" * 1000)
    new = tmp_path / "new.img"
    assert inject.inject(image, new, [item], mount="/vendor", limit=64 * MIB, epoch=EPOCH) == ("/vendor/etc/fstab",)
    assert content(new, "/etc/fstab") == b"new and longer\n" * 1000 and content(new, "/etc/a") == OLD["/etc/a"] and fsck(new) == 0


def test_what_is_there_already_is_left_alone(image: Path, tmp_path: Path) -> None:
    """A library that the base's own build installed comes a second time as a result of that build."""
    same = artifact(tmp_path / "a", "/vendor/bin/b", OLD["/bin/b"], mode=0o755, gid=1000, label="u:object_r:vendor_file:s0")
    new = tmp_path / "new.img"
    assert inject.inject(image, new, [same], mount="/vendor", limit=64 * MIB, epoch=EPOCH) == ()
    assert proof.unchanged(image, new, []) and fsck(new) == 0
    for change in ({"mode": 0o700}, {"gid": 5}, {"label": "u:object_r:vendor_bin_file:s0"}):
        other = dataclasses.replace(same, **change)  # type: ignore[arg-type]
        assert inject.inject(image, new, [other], mount="/vendor", limit=64 * MIB, epoch=EPOCH) == ("/vendor/bin/b",)


def test_the_same_bytes_from_any_folder_umask_and_order(image: Path, tmp_path: Path) -> None:
    def items(folder: Path) -> list[Artifact]:
        made = [artifact(folder, f"/vendor/lib64/f{n}", random_bytes(n * 50_000, b"%d" % n)) for n in range(8)]
        return made + [artifact(folder, "/vendor/models/m.gguf", random_bytes(12 * MIB))]

    one = put(image, items(tmp_path / "a"), tmp_path / "one.img")
    odd = tmp_path / "a folder with \"quotes' and ü"
    umask = os.umask(0o077)
    try:
        two = put(image, items(odd)[::-1], odd / "two.img")
    finally:
        os.umask(umask)
    assert one.read_bytes() == two.read_bytes()


def test_old_bytes_in_free_blocks_do_not_show(tmp_path: Path) -> None:
    """A base from which something was deleted holds its bytes still; the tail of our last block must be zeros all the same."""
    image = make_ext4(tmp_path / "vendor.img", 8 * MIB, {"/gone": b"\xee" * (7 * MIB)}, host=tmp_path / "h")
    subprocess.run([find("debugfs"), "-w", "-R", "rm /gone", str(image)], check=True, capture_output=True)
    new = put(image, [artifact(tmp_path / "a", "/vendor/f", b"x" * 5000)], tmp_path / "new.img")
    with ext4.Reader(new) as reader:
        found = files.find(reader, "/f")
        assert found
        (extent,) = reader.extents(reader.inode(found.inode))
        assert reader.read(extent.physical, 2) == b"x" * 5000 + bytes(8192 - 5000)


def test_holes_of_the_source_read_as_zeros(image: Path, tmp_path: Path) -> None:
    item = artifact(tmp_path / "a", "/vendor/f", bytes(1 * MIB) + b"end")
    os.truncate(item.file, 0)
    with item.file.open("r+b") as stream:
        os.pwrite(stream.fileno(), b"end", 1 * MIB)
    assert content(put(image, [item], tmp_path / "new.img"), "/f") == bytes(1 * MIB) + b"end"


def test_a_hashed_folder_takes_an_entry(tmp_path: Path) -> None:
    """What the kernel or e2fsck -D makes of a large folder: an index that debugfs does not keep up."""
    image = make_ext4(tmp_path / "vendor.img", 16 * MIB, {f"/etc/a-rather-long-file-name-{n:05}": b"" for n in range(900)}, host=tmp_path / "h")
    subprocess.run([find("e2fsck"), "-fyD", str(image)], capture_output=True, check=False)
    assert "Flags: 0x81000" in asked(image, "stat /etc")
    new = put(image, [artifact(tmp_path / "a", "/vendor/etc/kiln.cfg", b"{}")], tmp_path / "new.img")
    assert fsck(new) == 0 and content(new, "/etc/kiln.cfg") == b"{}"
    assert content(new, "/etc/a-rather-long-file-name-00899") == b""


@pytest.mark.parametrize("options", [("-O", "^64bit"), ("-O", "^metadata_csum"), ("-b", "1024"), ("-g", "4096"), ("-O", "^resize_inode")],
                         ids=lambda options: options[1])
def test_other_geometries_are_grown_too(tmp_path: Path, options: tuple[str, ...]) -> None:
    image = make_ext4(tmp_path / "vendor.img", 8 * MIB, OLD, options=options, host=tmp_path / "h")
    new = put(image, [artifact(tmp_path / "a", "/vendor/m", random_bytes(40 * MIB))], tmp_path / "new.img")
    assert fsck(new) == 0 and content(new, "/etc/a") == OLD["/etc/a"]
    with ext4.Reader(new) as reader:
        assert files.text(reader, "/m", limit=64 * MIB) == random_bytes(40 * MIB)
    assert new.stat().st_size < 50 * MIB                     # by what is needed, not to the end of the partition


def test_it_is_grown_to_its_partition_and_no_further(image: Path, tmp_path: Path) -> None:
    item = artifact(tmp_path / "a", "/vendor/m", random_bytes(20 * MIB))
    with pytest.raises(Refused) as caught:
        put(image, [item], tmp_path / "new.img", limit=20 * MIB)
    assert re.search(r"2\d{7} bytes and 1 inodes are needed; its partition of 20971520 bytes has room for \d+", str(caught.value))
    assert sorted(file.name for file in tmp_path.iterdir() if "new" in file.name) == []
    put(image, [item], tmp_path / "new.img", limit=22 * MIB)


def test_inodes_run_out_before_blocks(tmp_path: Path) -> None:
    image = make_ext4(tmp_path / "vendor.img", 4 * MIB, OLD, options=("-N", "32"), host=tmp_path / "h")
    items = [artifact(tmp_path / "a", f"/vendor/f{n}", b"") for n in range(60)]
    with pytest.raises(Refused, match="60 inodes are needed"):
        put(image, items, tmp_path / "new.img", limit=4 * MIB)
    assert fsck(put(image, items, tmp_path / "new.img", limit=600 * MIB)) == 0


@pytest.mark.parametrize("dest", ["/vendor/a b", "/vendor/a\nrm /etc/a", '/vendor/"a', "/vendor/../etc/a", "/vendor/./a", "/vendor/-a",
                                  "/vendor/<2>", "/vendor/" + "a" * 256, "/vendor/a//b", "/vendor/a/", "/vendor/ä", "/system/a"])
def test_a_path_that_a_script_cannot_hold_is_refused(image: Path, tmp_path: Path, dest: str) -> None:
    with pytest.raises(ImageError) as caught:
        put(image, [artifact(tmp_path / "a", dest, b"x")], tmp_path / "new.img")
    assert "\n" not in str(caught.value)


def damaged(image: Path) -> None:
    with ext4.Reader(image) as reader:
        at = reader.groups[0].inode_table * reader.sb.block + 11 * reader.sb.inode_size
    with image.open("r+b") as stream:
        os.pwrite(stream.fileno(), b"\xff" * 100, at)


@pytest.mark.parametrize("spoil,items,says", [
    (damaged, ["/vendor/x"], "vendor.img: e2fsck finds it damaged: Inode 12"),
    (lambda image: os.truncate(image, 100), ["/vendor/x"], "vendor.img"),
    (lambda image: None, ["/vendor/etc/a/x"], "/vendor/etc/a is no folder in the base"),
    (lambda image: None, ["/vendor/etc"], "/vendor/etc is no plain file in the base"),
    (lambda image: None, ["/vendor/x", "/vendor/x"], "/vendor/x is to be written twice"),
    (lambda image: None, ["/vendor/x", "/vendor/x/y"], "/vendor/x is to be a file and a folder"),
])
def test_faults_are_told_in_one_line(image: Path, tmp_path: Path, spoil: Callable[[Path], None], items: list[str], says: str) -> None:
    spoil(image)
    with pytest.raises(KilnError) as caught:
        put(image, [artifact(tmp_path / "a", dest, b"x") for dest in items], tmp_path / "new.img")
    assert says in str(caught.value) and "\n" not in str(caught.value) and not (tmp_path / "new.img").exists()


def test_a_file_that_shrank_is_told(image: Path, tmp_path: Path) -> None:
    item = artifact(tmp_path / "a", "/vendor/x", b"x" * 9000)
    os.truncate(item.file, 10)
    with pytest.raises(ImageError, match="does not have the 9000 bytes that it had"):
        put(image, [item], tmp_path / "new.img")


@pytest.mark.parametrize("where", ["inode", "data", "folder"])
def test_the_proof_sees_one_changed_byte(image: Path, tmp_path: Path, where: str) -> None:
    new = put(image, [artifact(tmp_path / "a", "/vendor/new/x", b"x" * 9000)], tmp_path / "new.img")
    with ext4.Reader(new) as reader:
        file, folder = files.find(reader, "/bin/b"), files.find(reader, "/etc")
        assert file and folder
        block = {"data": reader.extents(reader.inode(file.inode))[0].physical, "folder": reader.extents(reader.inode(folder.inode))[0].physical,
                 "inode": reader.groups[0].inode_table}[where]
        at = block * reader.sb.block + ((file.inode - 1) * reader.sb.inode_size + 8 if where == "inode" else 100)
    assert proof.unchanged(image, new, [2]) > 12
    with new.open("r+b") as stream:
        os.pwrite(stream.fileno(), bytes([os.pread(stream.fileno(), 1, at)[0] ^ 1]), at)
    with pytest.raises(ImageError, match="not as it was before"):
        proof.unchanged(image, new, [2])
