# SPDX-License-Identifier: Apache-2.0
"""Archives as zig writes them: members come out under plain names, a damaged archive is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiln.errors import UnpackError
from kiln.sdk import archive

pytestmark = pytest.mark.fast


def member(name: str, body: bytes, size: int | None = None) -> bytes:
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(body) if size is None else size:<10}`\n".encode()
    return head + body + b"\n" * (len(body) % 2)


def written(file: Path, *members: bytes) -> Path:
    file.write_bytes(b"!<arch>\n" + b"".join(members))
    return file


def test_members_lose_the_folder_of_the_cache(tmp_path: Path) -> None:
    names = b"/home/me/cache/o/0123/aio.o/\n/home/me/cache/o/4567/long-name-indeed.o/\n"
    file = written(tmp_path / "x.a", member("/", b"symbols!"), member("//", names), member("/0", b"abc"),
                   member("/29", b"defg"), member("short.o/", b""))
    assert list(archive.members(file)) == [("aio.o", b"abc"), ("long-name-indeed.o", b"defg"), ("short.o", b"")]


@pytest.mark.parametrize("data,says", [
    (b"\x7fELF", "not an ar archive"), (b"!<arch>\n" + member("x.o/", b"abc", size=400), "ends in the middle"),
    (b"!<arch>\n" + member("x.o/", b"abc").replace(b"3         ", b"-3        "), "without a size"),
    (b"!<arch>\n" + member("../../x.o/", b"abc").replace(b"`", b"`"), ""),
])
def test_a_damaged_archive_is_refused(tmp_path: Path, data: bytes, says: str) -> None:
    file = tmp_path / "x.a"
    file.write_bytes(data)
    if not says:
        assert [name for name, _ in archive.members(file)] == ["x.o"], "no member leaves its folder"
        return
    with pytest.raises(UnpackError, match=says):
        list(archive.members(file))


def test_an_archive_cut_anywhere_ends(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole.a", member("//", b"a-name-of-its-own.o/\n"), member("/0", b"abc")).read_bytes()
    file = tmp_path / "cut.a"
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        try:
            assert list(archive.members(file)) in ([], [("a-name-of-its-own.o", b"abc")])
        except UnpackError as error:
            assert "\n" not in str(error)
