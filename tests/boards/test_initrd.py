# SPDX-License-Identifier: Apache-2.0
"""The RAM disk: the same bytes twice, every module after those that it needs, plain or packed."""

from __future__ import annotations

import lzma
import struct
from pathlib import Path

import pytest

from kiln import initrd
from kiln.errors import ImageError

pytestmark = pytest.mark.fast


def module(depends: str, size: int = 0) -> bytes:
    """A relocatable ELF with a .modinfo section, as a kernel module has one."""
    info = b"license=GPL\0depends=" + depends.encode() + b"\0name=x\0" + bytes(size)
    names = b"\0.modinfo\0.shstrtab\0"
    head = 64
    sections = head + len(info) + len(names)

    def section(name: int, kind: int, offset: int, length: int) -> bytes:
        return struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, offset, length, 0, 0, 1, 0)

    elf = struct.pack("<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 1, 183, 1, 0, 0, sections, 0, 64, 0, 0, 64, 3, 2)
    return elf + info + names + section(0, 0, 0, 0) + section(1, 1, head, len(info)) + section(10, 3, head + len(info), len(names))


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """An unpacked kernel package: virtio_blk is packed as Debian 13 does, ext4 is built in, names mix - and _."""
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot" / "vmlinuz-6.9").write_bytes(b"kernel")
    folder = tmp_path / "lib" / "modules" / "6.9" / "kernel"
    folder.mkdir(parents=True)
    for name, depends in {"virtio": "virtio_ring", "virtio_ring": "", "virtio-mmio": "virtio-ring,virtio", "virtio_net": "net_failover,virtio",
                          "net_failover": "failover", "failover": "", "virtio_gpu": ""}.items():
        (folder / f"{name}.ko").write_bytes(module(depends))
    (folder / "virtio_blk.ko.xz").write_bytes(lzma.compress(module("virtio,virtio_ring"), format=lzma.FORMAT_XZ))
    (tmp_path / "lib" / "modules" / "6.9" / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
    return tmp_path


def modules(kernel: Path) -> Path:
    return initrd.find(kernel)[1]


def test_every_module_comes_after_what_it_needs(kernel: Path) -> None:
    names = [name for name, _ in initrd.order(modules(kernel))]
    assert sorted(names) == sorted(["virtio_ring", "virtio", "virtio_mmio", "virtio_blk", "failover", "net_failover", "virtio_net"])
    for name, blob in initrd.order(modules(kernel)):
        assert all(names.index(other) < names.index(name) for other in initrd.depends(blob))


def test_a_packed_module_is_unpacked(kernel: Path) -> None:
    assert dict(initrd.order(modules(kernel)))["virtio_blk"] == module("virtio,virtio_ring")


def test_a_bomb_is_cut_and_rubbish_refused(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = modules(kernel) / "kernel" / "virtio_blk.ko.xz"
    file.write_bytes(b"no xz at all")
    with pytest.raises(ImageError, match="virtio_blk.ko.xz: cannot be unpacked"):
        initrd.order(modules(kernel))
    monkeypatch.setattr(initrd, "LARGEST", 1 << 20)
    file.write_bytes(lzma.compress(bytes(initrd.LARGEST + 1), format=lzma.FORMAT_XZ))
    with pytest.raises(ImageError, match="cannot be unpacked: larger"):
        initrd.order(modules(kernel))


def test_a_missing_module_is_named(kernel: Path) -> None:
    (modules(kernel) / "kernel" / "failover.ko").unlink()
    with pytest.raises(ImageError, match="has no module failover, which net_failover needs"):
        initrd.order(modules(kernel))


def test_modules_that_need_each_other_end(kernel: Path) -> None:
    (modules(kernel) / "kernel" / "virtio_ring.ko").write_bytes(module("virtio"))
    assert len(initrd.order(modules(kernel))) == 7


@pytest.mark.parametrize("blob", [b"", b"\x7fELF", b"\x7fELF" + bytes(60), module("a")[:100], b"x" * 1000])
def test_a_module_that_is_no_elf(kernel: Path, blob: bytes) -> None:
    (modules(kernel) / "kernel" / "virtio.ko").write_bytes(blob)
    with pytest.raises(ImageError, match="is not ELF"):
        initrd.order(modules(kernel))


def test_two_kernels_are_one_too_many(kernel: Path) -> None:
    (kernel / "boot" / "vmlinuz-7.0").write_bytes(b"kernel")
    with pytest.raises(ImageError, match="holds 2 kernels"):
        initrd.find(kernel)


def test_the_same_bytes_whenever_and_wherever(kernel: Path, tmp_path: Path) -> None:
    import os

    init = tmp_path / "init"
    init.write_bytes(b"\x7fELF init")
    first = initrd.archive(init, initrd.order(modules(kernel)))
    os.utime(init, (1, 1))
    init.chmod(0o600)
    assert initrd.archive(init, initrd.order(modules(kernel))) == first


def test_the_archive_reads_back() -> None:
    blob = initrd.newc([("init", 0o100755, b"abc"), ("modules", 0o040755, b""), ("modules/order", 0o100644, b"a.ko\n")])
    found, at = {}, 0
    while True:
        fields = [int(blob[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        name = blob[at + 110:at + 110 + fields[11] - 1].decode()
        data = -(-(at + 110 + fields[11]) // 4) * 4
        assert blob[at:at + 6] == b"070701" and fields[5] == 0
        if name == "TRAILER!!!":
            break
        found[name] = (fields[1], blob[data:data + fields[6]])
        at = -(-(data + fields[6]) // 4) * 4
    assert found == {"init": (0o100755, b"abc"), "modules": (0o040755, b""), "modules/order": (0o100644, b"a.ko\n")}
    assert len(blob) % 4096 == 0
