# SPDX-License-Identifier: Apache-2.0
"""The members of an archive, one after the other, whatever the format: tar, zip, deb; and their bounds while reading.

Nothing is written here and no member is trusted: unpack.py decides. The bytes that come out of a decompressor are
counted as they come, so a bomb ends at its bound even inside a header.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Literal, cast

from kiln.errors import UnpackError, one_line
from kiln.progress import Update

Kind = Literal["file", "dir", "link", "hard", "other"]
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".txz", ".tar.zst")
SUFFIXES = (*_TARS, ".whl", ".zip", ".deb")
_BLOCK = 512
_TAIL = 64 << 10
_LONGEST = 1 << 20


@dataclass(frozen=True)
class Member:
    """One member; `stream` (files only) must be read before the next one is asked for."""

    name: str
    kind: Kind
    size: int = 0
    exec: bool = False
    target: str = ""
    stream: IO[bytes] | None = None


@dataclass(frozen=True)
class Bounds:
    """How many bytes may come out in all; `update` gets how many compressed bytes were read."""

    out: int
    update: Update


def members(stream: IO[bytes], file: str, bounds: Bounds) -> Iterator[Member]:
    """The members of the archive in `stream`, by the suffix of its name. To be read within `broken()`."""
    if file.endswith((".whl", ".zip")):
        yield from _zip(stream, bounds)
    elif file.endswith(".deb"):
        yield from _deb(stream, bounds)
    elif file.endswith(_TARS):
        yield from _tar(stream, file, bounds)
    else:
        size = stream.seek(0, 2)
        stream.seek(0)
        yield Member(file, "file", size, stream=stream)
        bounds.update(size)


@contextmanager
def broken() -> Iterator[None]:
    """Whatever a broken archive makes the libraries raise, while members are asked for or read, as UnpackError."""
    import lzma

    import zstandard

    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, zstandard.ZstdError, EOFError, ValueError,
            NotImplementedError, OverflowError, RuntimeError) as error:
        raise UnpackError(f"is broken: {error}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise UnpackError(f"is broken: {error}") from error  # gzip's BadGzipFile, bz2's "Invalid data stream"


def _tar(stream: IO[bytes], file: str, bounds: Bounds) -> Iterator[Member]:
    counted = _Counted(_decompressed(_Watched(stream, bounds.update), file), bounds.out)
    with tarfile.open(fileobj=cast(IO[bytes], counted), mode="r|", bufsize=_TAIL // 2, tarinfo=_Info) as tar:
        for info in tar:
            _not_negative(info)
            yield _tar_member(tar, info)
        end = tar.offset
    while counted.read(1 << 20):
        pass
    # tarfile takes any bad header after the first for the end; the true end is a block of zeros.
    if counted.block(end) != bytes(_BLOCK):
        raise UnpackError(f"is broken or cut short at byte {end}")


class _Info(tarfile.TarInfo):
    """A header whose extensions are bounded: tarfile reads the whole of a long name or pax header into memory.

    A size below nothing is refused here too, before tarfile's own words for it, which differ with Python's version.
    """

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        _not_negative(self)
        if self.size > _LONGEST and not (self.isreg() or self.type in tarfile.REGULAR_TYPES):
            raise UnpackError(f"has a header of {self.size} bytes")
        return super()._proc_member(tar)  # type: ignore[misc, no-any-return]


def _not_negative(info: tarfile.TarInfo) -> None:
    if info.size < 0:
        raise UnpackError(f"says that {one_line(info.name, 100)!r} is shorter than nothing")


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    if info.isreg():
        return Member(info.name, "file", info.size, bool(info.mode & 0o100), stream=tar.extractfile(info))
    if info.isdir():
        return Member(info.name, "dir")
    if info.issym():
        return Member(info.name, "link", target=info.linkname)
    return Member(info.name, "hard" if info.islnk() else "other", target=info.linkname)


def _zip(stream: IO[bytes], bounds: Bounds) -> Iterator[Member]:
    with zipfile.ZipFile(stream) as packed:
        left = bounds.out
        for info in packed.infolist():
            left -= info.file_size
            if left < 0:
                raise UnpackError("grows too much for its size")
            if info.flag_bits & 1 or "\0" in info.orig_filename:
                raise UnpackError("holds an encrypted member or a name with a NUL")
            yield from _zip_member(packed, info)
            bounds.update(info.compress_size)


def _zip_member(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[Member]:
    mode = info.external_attr >> 16 if info.create_system == 3 else 0
    kind = stat.S_IFMT(mode)
    if info.is_dir():
        yield Member(info.filename, "dir")
    elif kind not in (0, stat.S_IFREG, stat.S_IFLNK):
        yield Member(info.filename, "other")
    else:
        with packed.open(info) as data:
            if kind == stat.S_IFLNK:
                yield Member(info.filename, "link", target=data.read(4097).decode("utf-8", "surrogateescape"))
            else:
                yield Member(info.filename, "file", info.file_size, bool(mode & 0o100), stream=data)


def _deb(stream: IO[bytes], bounds: Bounds) -> Iterator[Member]:
    """deb(5): an ar archive with debian-binary, control.tar.*, data.tar.*; the data is what we want."""
    if stream.read(8) != b"!<arch>\n":
        raise UnpackError("is not a Debian package")
    while head := stream.read(60):
        name, length = head[:16].decode("ascii", "replace").rstrip(" /"), head[48:58].strip()
        if len(head) != 60 or head[58:] != b"`\n" or not length.isdigit():
            raise UnpackError("is not a Debian package, or cut short")
        if name.startswith("data.tar"):
            yield from _tar(cast(IO[bytes], _Slice(stream, int(length))), name, bounds)
            return
        stream.seek(int(length) + int(length) % 2, 1)
    raise UnpackError("is a Debian package without data")


def _decompressed(stream: Any, file: str) -> Any:
    suffix = file.rpartition(".")[2]
    if suffix in ("gz", "tgz"):
        import gzip

        return gzip.GzipFile(fileobj=stream)
    if suffix in ("xz", "txz"):
        import lzma

        return lzma.LZMAFile(stream)
    if suffix == "bz2":
        import bz2

        return bz2.BZ2File(stream)
    if suffix == "zst":
        import zstandard

        return zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
    return stream


class _Watched:
    """Tells the progress how far the compressed file is read."""

    def __init__(self, stream: IO[bytes], update: Update) -> None:
        self._stream, self._update = stream, update

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self._update(len(piece))
        return piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Counted:
    """Ends at a bound, and keeps the last bytes so that the end can be looked at."""

    def __init__(self, stream: Any, bound: int) -> None:
        self._stream, self._bound, self._at, self._last = stream, bound, 0, b""

    def read(self, size: int) -> bytes:
        piece: bytes = self._stream.read(size)
        self._at += len(piece)
        if self._at > self._bound:
            raise UnpackError("grows too much for its size")
        self._last = (self._last + piece)[-_TAIL:] if len(piece) < _TAIL else piece
        return piece

    def block(self, at: int) -> bytes:
        """The block at that offset, if it is among the last bytes read."""
        start = at - (self._at - len(self._last))
        return self._last[start:start + _BLOCK] if start >= 0 else b""


class _Slice:
    """A member of an ar archive as a stream of its own."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(piece)
        return piece
