# SPDX-License-Identifier: Apache-2.0
"""Archives made by an enemy, and honest ones in every format: what comes out, and that nothing else does."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from kiln.errors import FetchError, UnpackError
from kiln.fetch import Limits, unpack

pytestmark = [pytest.mark.fast, pytest.mark.filterwarnings("ignore:Duplicate name")]
Entry = tuple[str, object]


def tar(*entries: Entry, mode: int = 0o644, **info: object) -> bytes:
    """A tar: (name, bytes) a file, (name, None) a folder, (name, "-> x") a link, (name, "=> x") a hard link, (name, type byte) that."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for name, what in entries:
            one = tarfile.TarInfo(name)
            one.mode = mode
            if isinstance(what, str):
                one.type, one.linkname = (tarfile.SYMTYPE if what[0] == "-" else tarfile.LNKTYPE), what[3:]
            elif what is None:
                one.type = tarfile.DIRTYPE
            elif isinstance(what, int):
                one.type = bytes([what])
            body = what if isinstance(what, bytes) else b""
            one.size = len(body)
            for key, value in info.items():
                setattr(one, key, value)
            packed.addfile(one, io.BytesIO(body))
    return out.getvalue()


def long_header() -> bytes:
    """A pax header that says it is 64 MiB long; tarfile reads all of it into memory."""
    one = tarfile.TarInfo("x")
    one.type, one.size = tarfile.XHDTYPE, 64 << 20
    return one.tobuf(tarfile.USTAR_FORMAT)


def sparse() -> bytes:
    """A file of 8 MiB, all of it a hole (GNU sparse format 1.0)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as packed:
        one = tarfile.TarInfo("x")
        one.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x", "GNU.sparse.realsize": str(8 << 20)}
        one.size = 512
        packed.addfile(one, io.BytesIO(f"1\n{8 << 20}\n0\n".encode().ljust(512, b"\0")))
    return out.getvalue()


def negative() -> bytes:
    """A file whose size is -1, which the base-256 form of a number can say."""
    head = bytearray(tar(("x", b"1"))[:512])
    head[124:136] = b"\xff" * 12
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + bytes(10240)


def zipped(*entries: Entry, mode: int = 0o100644) -> bytes:
    """A zip: (name, bytes) a file of that mode, (name, "-> x") a link, (name, None) a folder."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, what in entries:
            one = zipfile.ZipInfo(name + ("/" if what is None else ""))
            one.create_system, one.compress_type = 3, zipfile.ZIP_DEFLATED
            one.external_attr = (stat.S_IFLNK | 0o777 if isinstance(what, str) else mode) << 16
            packed.writestr(one, what[3:] if isinstance(what, str) else what or b"")
    return out.getvalue()


def deb(data: bytes, name: str = "data.tar.xz", control: bytes = b"") -> bytes:
    """A Debian package around that data member."""
    out = b"!<arch>\n"
    for member, body in (("debian-binary", b"2.0\n"), ("control.tar.xz", control or lzma.compress(tar())), (name, data)):
        out += f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(body):<10}`\n".encode() + body + b"\n" * (len(body) % 2)
    return out


def opened(tmp_path: Path, data: bytes, file: str = "a.tar", **given: object) -> Path:
    """Unpack those bytes under that name."""
    (tmp_path / "source").write_bytes(data)
    return unpack(tmp_path / "source", tmp_path / "into", file=file, **given)  # type: ignore[arg-type]


def nothing(tmp_path: Path) -> None:
    """Neither the folder nor anything beside it is left, and nothing escaped."""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


GOOD = (("top", None), ("top/run", b"#!/bin/sh\n"), ("top/sub/data", b"x" * 5000), ("top/link", "-> sub/data"))
FORMATS: dict[str, Callable[[], bytes]] = {
    "a.tar": lambda: tar(*GOOD, mode=0o4755),
    "a.tar.gz": lambda: gzip.compress(tar(*GOOD, mode=0o755)),
    "a.tgz": lambda: gzip.compress(tar(*GOOD, mode=0o755)),
    "a.tar.xz": lambda: lzma.compress(tar(*GOOD, mode=0o755)),
    "a.tar.zst": lambda: zstandard.compress(tar(*GOOD, mode=0o755)),
    "a.zip": lambda: zipped(*GOOD, mode=0o104755),
    "a-1-py3-none-any.whl": lambda: zipped(*GOOD, mode=0o100755),
    "a.deb": lambda: deb(lzma.compress(tar(*((f"./{name}", what) for name, what in GOOD), mode=0o755))),
    "a-zst.deb": lambda: deb(zstandard.compress(tar(*GOOD, mode=0o755)), "data.tar.zst"),
    "a-gz.deb": lambda: deb(gzip.compress(tar(*GOOD, mode=0o755)), "data.tar.gz"),
}


@pytest.mark.parametrize("file", FORMATS)
def test_each_format_gives_the_same_tree(tmp_path: Path, file: str) -> None:
    old = os.umask(0o077)
    try:
        root = opened(tmp_path, FORMATS[file](), file)
    finally:
        os.umask(old)
    assert (root / "top/link").read_bytes() == b"x" * 5000 and os.readlink(root / "top/link") == "sub/data"
    assert stat.S_IMODE((root / "top/run").stat().st_mode) == 0o755, "exec, and no setuid, whatever the umask"
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*")) == [
        "top", "top/link", "top/run", "top/sub", "top/sub/data"]


def test_a_plain_mode_is_0644(tmp_path: Path) -> None:
    assert stat.S_IMODE((opened(tmp_path, tar(("a", b"1"), mode=0o666)) / "a").stat().st_mode) == 0o644


def test_only_the_subdir_comes(tmp_path: Path) -> None:
    root = opened(tmp_path, tar(("p/x", b"1"), ("p/y/z", b"2"), ("p/yy", b"3")), subdir="p/y")
    assert [path.name for path in root.iterdir()] == ["z"]
    with pytest.raises(UnpackError, match="no folder 'q'"):
        opened(tmp_path, tar(("p/x", b"1")), subdir="q")


def test_a_file_that_is_no_archive_is_put_there(tmp_path: Path) -> None:
    assert (opened(tmp_path, b"GGUF", "m.gguf") / "m.gguf").read_bytes() == b"GGUF"


def test_what_lay_there_is_replaced_only_by_a_whole_tree(tmp_path: Path) -> None:
    opened(tmp_path, tar(("old", b"1")))
    with pytest.raises(UnpackError):
        opened(tmp_path, tar(("new", b"1"), ("../x", b"2")))
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["old"]
    opened(tmp_path, tar(("new", b"1")))
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["new"]


def test_hard_links_inside_are_copies(tmp_path: Path) -> None:
    root = opened(tmp_path, tar(("a", b"1"), ("b", "=> a")))
    assert (root / "b").read_bytes() == b"1" and (root / "a").stat().st_nlink == 1


HOSTILE: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "absolute": ("a.tar", "bad name", lambda: tar(("/etc/kiln", b"1"))),
    "dots": ("a.tar", "bad name", lambda: tar(("a/../../x", b"1"))),
    "dots within": ("a.tar", "bad name", lambda: tar(("a/../x", b"1"))),
    "control": ("a.tar", "bad name", lambda: tar(("a\x1b[2Jb", b"1"))),
    "newline": ("a.tar", "bad name", lambda: tar(("a\nb", b"1"))),
    "not utf-8": ("a.tar", "bad name", lambda: tar(("a\udcff", b"1"))),
    "long name": ("a.tar", "bad name", lambda: tar(("n" * 256, b"1"))),
    "deep": ("a.tar", "bad name", lambda: tar(("d/" * 101 + "x", b"1"))),
    "no name": ("a.tar", "is no folder", lambda: tar(("./.", b"1"))),
    "device": ("a.tar", "no file, folder or link", lambda: tar(("null", ord("3")))),
    "block": ("a.tar", "no file, folder or link", lambda: tar(("sda", ord("4")))),
    "fifo": ("a.tar", "no file, folder or link", lambda: tar(("pipe", ord("6")))),
    "link out": ("a.tar", "leads outside", lambda: tar(("l", "-> ../x"))),
    "link absolute": ("a.tar", "leads outside", lambda: tar(("l", "-> /etc/passwd"))),
    "link through a link": ("a.tar", "leads outside", lambda: tar(("d/e/x", b""), ("d/e/l", "-> ../.."), ("m", "-> d/e/l/../x"))),
    "link loop": ("a.tar", "", lambda: tar(("a", "-> b"), ("b", "-> a"), ("b/c", b"1"))),
    "link empty": ("a.tar", "bad target", lambda: tar(("l", "-> "))),
    "through a link": ("a.tar", "which is a link", lambda: tar(("l", "-> ."), ("l/x", b"1"))),
    "file over link": ("a.tar", "twice", lambda: tar(("l", "-> x"), ("l", b"1"))),
    "link over file": ("a.tar", "twice", lambda: tar(("l", b"1"), ("l", "-> x"))),
    "link over folder": ("a.tar", "twice", lambda: tar(("l", None), ("l", "-> .."))),
    "folder over link": ("a.tar", "twice", lambda: tar(("l", "-> ."), ("l", None))),
    "file twice": ("a.tar", "twice", lambda: tar(("x", b"1"), ("x", b"2"))),
    "below a file": ("a.tar", "which is a file", lambda: tar(("x", b"1"), ("x/y", b"2"))),
    "hard link out": ("a.tar", "bad name", lambda: tar(("h", "=> ../source"))),
    "hard link absolute": ("a.tar", "bad name", lambda: tar(("h", "=> /etc/passwd"))),
    "hard link to a link": ("a.tar", "no file before it", lambda: tar(("l", "-> x"), ("h", "=> l"))),
    "hard link to nothing": ("a.tar", "no file before it", lambda: tar(("h", "=> x"))),
    "zip dots": ("a.zip", "bad name", lambda: zipped(("../x", b"1"))),
    "zip absolute": ("a.zip", "bad name", lambda: zipped(("/x", b"1"))),
    "zip link out": ("a.zip", "leads outside", lambda: zipped(("l", "-> ../../x"))),
    "zip through a link": ("a.zip", "which is a link", lambda: zipped(("l", "-> ."), ("l/x", b"1"))),
    "zip twice": ("a.zip", "twice", lambda: zipped(("x", b"1"), ("x", b"1"))),
    "zip device": ("a.zip", "no file, folder or link", lambda: zipped(("x", b"1"), mode=0o020644)),
    "deb dots": ("a.deb", "bad name", lambda: deb(lzma.compress(tar(("./../x", b"1"))))),
    "deb without data": ("a.deb", "without data", lambda: deb(b"", "other")),
    "no deb": ("a.deb", "not a Debian package", lambda: b"!<arch>\nx"),
    "no tar": ("a.tar", "is broken", lambda: b"this is no archive" * 100),
    "no gzip": ("a.tar.gz", "is broken", lambda: b"this is no archive" * 100),
    "no xz": ("a.tar.xz", "is broken", lambda: b"this is no archive" * 100),
    "no zstd": ("a.tar.zst", "is broken", lambda: b"this is no archive" * 100),
    "no zip": ("a.zip", "is broken", lambda: b"this is no archive" * 100),
    "empty": ("a.tar", "is broken", lambda: b""),
    "cut tar": ("a.tar", "is broken", lambda: tar(("x", bytes(9000)))[:5000]),
    "cut between members": ("a.tar", "cut short", lambda: tar(("x", bytes(512)), ("y", b"1"))[:1024]),
    "bad header": ("a.tar", "cut short", lambda: tar(("x", b"1"), ("y", b"1"))[:1024] + b"?" * 512 + bytes(9216)),
    "cut gzip": ("a.tar.gz", "is broken", lambda: gzip.compress(tar(("x", os.urandom(90000))))[:-9000]),
    "gzip of another sum": ("a.tar.gz", "is broken", lambda: gzip.compress(tar(("x", b"1")))[:-8] + bytes(8)),
    "zip of another sum": ("a.zip", "is broken", lambda: zipped(("x", b"1" * 99)).replace(
        zlib.crc32(b"1" * 99).to_bytes(4, "little"), b"abcd")),
    "bomb gz": ("a.tar.gz", "larger than allowed", lambda: gzip.compress(tar(("x", bytes(8 << 20))))),
    "bomb xz": ("a.tar.xz", "larger than allowed", lambda: lzma.compress(tar(("x", bytes(8 << 20))), preset=0)),
    "bomb after the end": ("a.tar.gz", "grows too much", lambda: gzip.compress(tar(("x", b"1")) + bytes(8 << 20))),
    "bomb zip": ("a.zip", "grows too much", lambda: zipped(("x", bytes(8 << 20)))),
    "bomb by holes": ("a.tar", "larger than allowed", sparse),
    "negative": ("a.tar", "shorter than nothing", negative),
    "bomb in a header": ("a.tar.gz", "has a header of 67108864 bytes", lambda: gzip.compress(long_header() + bytes(8 << 20))),
}
SMALL = Limits(free=1 << 20)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(tmp_path: Path, name: str) -> None:
    file, said, make = HOSTILE[name]
    with pytest.raises(UnpackError) as told:
        opened(tmp_path, make(), file, limits=SMALL)
    line = str(told.value)
    assert said in line and line.startswith(f"{file}: ") and "\x1b" not in line and "\n" not in line
    nothing(tmp_path)


@pytest.mark.parametrize("limits,said", [(Limits(members=2), "more than 2 members"), (Limits(file=10), "larger than allowed"),
                                         (Limits(total=600), "grows too much")])
def test_bounds(tmp_path: Path, limits: Limits, said: str) -> None:
    with pytest.raises(UnpackError, match=said):
        opened(tmp_path, tar(("a", b"1"), ("b", b"2" * 11), ("c", b"3")), limits=limits)
    nothing(tmp_path)


def test_copies_by_hard_link_count_too(tmp_path: Path) -> None:
    many = tar(("a", bytes(100_000)), *((f"h{i}", "=> a") for i in range(50)))
    with pytest.raises(UnpackError, match="larger than allowed"):
        opened(tmp_path, many, limits=Limits(total=1 << 20))
    nothing(tmp_path)


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    data = tar(("a", bytes(2 << 20)))
    (tmp_path / "source").write_bytes(data)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(FetchError, match="no room left"):
            unpack(tmp_path / "source", tmp_path / "into", file="a.tar")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    nothing(tmp_path)
