# SPDX-License-Identifier: Apache-2.0
"""What the virtual board boots with: the sandbox's init, compiled for it, and the kernel's modules, in one RAM disk.

The archive is cpio "newc" (Linux, Documentation/driver-api/early-userspace/buffer-format), uncompressed, without
times and owners, so equal inputs are equal bytes.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Sequence
from pathlib import Path

from kiln import run, stamp
from kiln.errors import ImageError
from kiln.results import Boot, Toolchain, Tree

# What the board cannot be without, then what is loaded if this kernel has it as a module.
NEEDED = ("virtio_mmio", "virtio_blk", "virtio_net", "ext4")
WELCOME = ("crc32c_generic", "f2fs")
LARGEST = 64 << 20                     # of a module, unpacked
FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-Os", "-static", "-s", "-Wall", "-Wextra", "-Wl,--build-id=none")


def prepare(template: Path, toolchain: Toolchain, kernel: Tree, into: Path, *, log: Path) -> Boot:
    """Compile the init that lies in `template` and pack it with the modules of the unpacked kernel package `kernel`."""
    into.mkdir(parents=True, exist_ok=True)
    init = compile_init(template, toolchain, into / "init", log=log)
    image, modules = find(kernel.root)
    stamp.write(into / "initrd", archive(init, order(modules)))
    return Boot(image, into / "initrd", modules.name, stamp.key(stamp.digest(into / "initrd"), kernel.identity))


def compile_init(template: Path, toolchain: Toolchain, into: Path, *, log: Path | None) -> Path:
    """The sandbox's init as one static program for the toolchain's ABI."""
    sources = sorted(file.name for file in template.glob("*.c"))
    if not sources:
        raise ImageError("holds no C source of the virtual board's init", where=template)
    beside = into.with_name(f".{into.name}.new")
    clang = toolchain.root / "llvm" / "bin" / "clang"
    run.run([clang, f"--target={toolchain.triple}", f"--sysroot={toolchain.root / 'sysroot'}", *FLAGS, *sources, "-o", beside],
            cwd=template, log=log)
    beside.replace(into)
    return into


def find(root: Path) -> tuple[Path, Path]:
    """The kernel image and the folder lib/modules/<release> of an unpacked Debian kernel package."""
    images = sorted(root.glob("boot/vmlinuz-*"))
    folders = [folder for folder in sorted((*root.glob("lib/modules/*"), *root.glob("usr/lib/modules/*"))) if folder.is_dir()]
    if len(images) != 1 or len(folders) != 1:
        raise ImageError(f"holds {len(images)} kernels and {len(folders)} folders of modules, one each is wanted", where=root)
    return images[0], folders[0]


def order(modules: Path) -> list[tuple[str, bytes]]:
    """The modules that the board needs with all they depend on, in loading order: name and unpacked bytes."""
    files = {file.name.split(".ko")[0].replace("-", "_"): file for file in sorted(modules.rglob("*.ko*"))}
    builtin = _builtin(modules)
    done: dict[str, bytes] = {}

    def add(name: str, by: str) -> None:
        if name in done or name in builtin:
            return
        if name not in files:
            raise ImageError(f"has no module {name}, which {by} needs", where=modules)
        blob = _unpacked(files[name])
        done[name] = b""               # before its own needs: a circle ends here
        for other in depends(blob):
            add(other, name)
        del done[name]                 # to its place behind them
        done[name] = blob

    for name in WELCOME:
        if name in files:
            add(name, "the board")
    for name in NEEDED:
        add(name, "the board")
    return list(done.items())


def depends(module: bytes) -> list[str]:
    """The modules that one names in `depends=` of its .modinfo section."""
    import io

    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        section = ELFFile(io.BytesIO(module)).get_section_by_name(".modinfo")
        entries = section.data().split(b"\0") if section else []
    except ELFError as error:
        raise ImageError(f"a kernel module is not ELF: {error}") from error
    named = next((entry[8:].decode("ascii", "replace") for entry in entries if entry.startswith(b"depends=")), "")
    return [name.replace("-", "_") for name in named.split(",") if name]


def archive(init: Path, modules: Iterable[tuple[str, bytes]]) -> bytes:
    """The initial RAM disk: /init, /modules/*.ko and /modules/order."""
    modules = list(modules)
    listed = "".join(f"{name}.ko\n" for name, _ in modules).encode()
    return newc([("init", 0o100755, init.read_bytes()), ("modules", 0o040755, b""), ("modules/order", 0o100644, listed),
                 *((f"modules/{name}.ko", 0o100644, blob) for name, blob in modules)])


def newc(entries: Sequence[tuple[str, int, bytes]]) -> bytes:
    """A cpio archive of (path, mode, bytes), padded to a page."""
    out = bytearray()
    for number, (path, mode, blob) in enumerate((*entries, ("TRAILER!!!", 0, b"")), 1):
        name = path.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(blob), 0, 0, 0, 0, len(name), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        out += bytes(-len(out) % 4) + blob
        out += bytes(-len(out) % 4)
    return bytes(out) + bytes(-len(out) % 4096)


def _builtin(modules: Path) -> set[str]:
    listed = modules / "modules.builtin"
    lines = listed.read_text().splitlines() if listed.is_file() else []
    return {Path(line).name.split(".ko")[0].replace("-", "_") for line in lines}


def _unpacked(file: Path) -> bytes:
    """A module as the kernel takes it. Debian 12 ships them plain, Debian 13 as .xz, Ubuntu as .zst."""
    blob = file.read_bytes()
    try:
        if file.suffix == ".xz":
            return _bounded(lzma.LZMADecompressor(memlimit=256 << 20), blob)
        if file.suffix == ".zst":
            import zstandard

            return zstandard.ZstdDecompressor().decompress(blob, max_output_size=LARGEST)
    except (lzma.LZMAError, ValueError, EOFError) as error:
        raise ImageError(f"cannot be unpacked: {error}", where=file) from error
    return blob


def _bounded(stream: lzma.LZMADecompressor, blob: bytes) -> bytes:
    plain = stream.decompress(blob, LARGEST)
    if not stream.eof:
        raise ValueError(f"larger than {LARGEST} bytes, or cut")
    return plain
