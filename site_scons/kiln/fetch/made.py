# SPDX-License-Identifier: Apache-2.0
"""Exact derived results, kept in the cache under the key that they were made for, and checked when used.

    made/<key>.tar.zst     the regular files and links of one folder: sorted, no times, no owners
    made/<key>.json        its size and sha256, written last

What does not match is thrown away in silence: it is as if it had never been kept.
"""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import IO, cast

from kiln import stamp
from kiln.errors import FetchError, KilnError
from kiln.fetch import cache as caches
from kiln.fetch.unpack import Limits, unpack

LEVEL = 3
THREADS = 2  # zstd cuts its input alike for any number of threads but 0, so the bytes are the same everywhere


def keep(cache: Path, key: str, folder: Path) -> bool:
    """Keep the files and links below `folder`. False if there was no room for it, which is no error."""
    opened = caches.open(cache)
    file = opened.made(key)
    beside = file.with_name(f".{file.name}.tmp")
    try:
        with opened.lock(f"made-{key}"):
            file.parent.mkdir(parents=True, exist_ok=True)
            _pack(folder, beside)
            entry = {"sha256": stamp.digest(beside), "size": beside.stat().st_size}
            beside.replace(file)
            stamp.write(_index(file), json.dumps(entry) + "\n")
    except FetchError:
        beside.unlink(missing_ok=True)
        return False
    return True


def restore(cache: Path, key: str, folder: Path) -> bool:
    """Put the kept result in the place of `folder`. False if there is none, or none that is intact."""
    opened = caches.open(cache)
    file = opened.made(key)
    if not file.is_file():
        return False
    with opened.lock(f"made-{key}"):
        try:
            if not _intact(file):
                raise KilnError("is not what was kept")
            # Our own archive, digest checked: an image of zeros may shrink ten thousandfold.
            unpack(file, folder, file=file.name, limits=Limits(free=64 << 30))
            return True
        except FetchError:
            raise
        except (KilnError, FileNotFoundError):
            file.unlink(missing_ok=True)
            _index(file).unlink(missing_ok=True)
            return False


def _index(file: Path) -> Path:
    return file.with_name(file.name.removesuffix(".tar.zst") + ".json")


def _intact(file: Path) -> bool:
    try:
        entry = json.loads(_index(file).read_text())
        return bool(entry["size"] == file.stat().st_size and entry["sha256"] == stamp.digest(file))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _pack(folder: Path, into: Path) -> None:
    import zstandard

    with into.open("wb") as raw, zstandard.ZstdCompressor(level=LEVEL, threads=THREADS).stream_writer(raw, closefd=False) as packed, \
            tarfile.open(fileobj=cast(IO[bytes], packed), mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(folder.rglob("*")):
            if file.is_symlink() or file.is_file():
                _add(tar, file, file.relative_to(folder).as_posix())
    with into.open("rb") as done:
        os.fsync(done.fileno())


def _add(tar: tarfile.TarFile, file: Path, name: str) -> None:
    info = tarfile.TarInfo(name)
    if file.is_symlink():
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(file), 0o777
        tar.addfile(info)
        return
    seen = file.stat()
    info.size, info.mode = seen.st_size, 0o755 if seen.st_mode & 0o100 else 0o644
    with file.open("rb") as stream:
        tar.addfile(info, stream)
