# SPDX-License-Identifier: Apache-2.0
"""Archives of the shape of an ohos-sdk: a tar.gz of zips, one for each component and host, in both layouts."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

NATIVE = "ohos-sdk/linux/native-linux-x64-6.1.0.31-Release.zip"


def archive(name: str, data: bytes, **others: bytes) -> bytes:
    """A tar.gz with one member of that name, behind members for the other host."""
    return tarred({"ohos-sdk/daily_build.log": b"built\n", "ohos-sdk/windows/native-windows-x64-6.1.0.31-Release.zip": b"PK\5\6" + bytes(18), name: data, **others})


def tarred(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(folder: Path, *, top: str = "native") -> bytes:
    """A folder as the inner zips hold it: modes, and links as members of their own kind; what links lead to outside is put in as files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for file in sorted(folder.rglob("*")):
            info = zipfile.ZipInfo(f"{top}/{file.relative_to(folder).as_posix()}")
            info.create_system = 3
            if file.is_symlink() and file.resolve().is_relative_to(folder.resolve()):
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
                packed.writestr(info, os.readlink(file))
            elif file.is_file():
                info.external_attr = file.stat().st_mode << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(info, file.read_bytes(), compresslevel=1)
    return out.getvalue()
