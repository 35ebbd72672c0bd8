# SPDX-License-Identifier: Apache-2.0
"""Kind `git`: one commit out of real repositories, the same bytes each time; what is hostile runs nothing and reaches nothing."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kiln import fetch
from kiln.errors import DigestError, FetchError, Refused
from kiln.fetch.kinds import git as kind
from kiln.pin import Pin

WHO = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *WHO, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """A repository with two commits; the second has a script, a link, a submodule, and attributes that would change an archive."""
    inner, made = tmp_path / "inner", tmp_path / "upstream"
    for folder in (inner, made):
        folder.mkdir()
        git(folder, "init", "-q")
        (folder / "first").write_text("one\n")
        git(folder, "add", "."), git(folder, "commit", "-qm", "first")
    (made / "sub").mkdir()
    (made / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (made / "sub" / "run.sh").chmod(0o755)
    (made / "link").symlink_to("sub/run.sh")
    (made / "big file").write_bytes(bytes(range(256)) * 5000)
    (made / ".gitattributes").write_text("first export-ignore\nsubst export-subst\n")
    (made / "subst").write_text("$Format:%H$\n")
    git(made, "submodule", "add", "-q", str(inner), "module")
    git(made, "add", "."), git(made, "commit", "-qm", "second")
    return made


def packed(repository: Path, commit: str) -> bytes:
    out = io.BytesIO()
    kind.pack(repository, commit, out, 1 << 30)
    return out.getvalue()


@pytest.fixture
def pin(upstream: Path) -> Callable[..., Pin]:
    commit = git(upstream, "rev-parse", "HEAD")
    data = packed(upstream, commit)

    def made(**changes: object) -> Pin:
        given = {"kind": "git", "url": f"file://{upstream}", "version": commit, "file": "up.tar", "licence": "MIT", "pin": "up",
                 "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), **changes}
        return Pin(**given)  # type: ignore[arg-type]

    return made


def test_a_commit_comes_whole_and_is_the_same_bytes(pin: Callable[..., Pin], cache: Path, tmp_path: Path, upstream: Path) -> None:
    came = fetch.get(pin(), cache)
    root = fetch.unpack(came.path, tmp_path / "tree", file="up.tar")
    assert (root / "first").read_text() == "one\n" and (root / "subst").read_text() == "$Format:%H$\n"
    assert os.readlink(root / "link") == "sub/run.sh" and os.access(root / "sub/run.sh", os.X_OK)
    assert (root / "big file").stat().st_size == 1280000
    assert not (root / "module").exists() and (root / ".gitmodules").is_file()
    with tarfile.open(came.path) as tar:
        assert {(one.mtime, one.uid, one.uname) for one in tar} == {(0, 0, "")}
    assert not list((cache / "partial").glob("git-*"))
    moved = tmp_path / "moved"
    subprocess.run(["git", "clone", "-q", "--bare", str(upstream), str(moved)], check=True)
    assert packed(moved, pin().version) == came.path.read_bytes()


def test_only_the_one_commit_is_fetched(pin: Callable[..., Pin], upstream: Path, cache: Path) -> None:
    """An older commit that no branch points at, as a pin's will be soon."""
    old = git(upstream, "rev-parse", "HEAD~1")
    data = packed(upstream, old)
    got = fetch.get(pin(version=old, sha256=hashlib.sha256(data).hexdigest(), size=len(data)), cache)
    assert [one.name for one in tarfile.open(got.path)] == ["first"]


def test_other_bytes_are_refused(pin: Callable[..., Pin], cache: Path) -> None:
    with pytest.raises(DigestError, match="has sha256 .* where 00000"):
        fetch.get(pin(sha256="0" * 64), cache)
    with pytest.raises(FetchError, match="holds more than the 4096 bytes that are pinned"):
        fetch.get(pin(size=4096), cache)


@pytest.mark.parametrize("changes,told", [
    ({"version": "master"}, "not the whole name of a commit"),
    ({"version": "--upload-pack=x"}, "not the whole name of a commit"),
    ({"version": "0" * 40}, "git fetch: .*is the commit there"),
    ({"url": "ext::sh -c touch% /tmp/own"}, "its url is not https:, http: or file:"),
    ({"url": "ssh://-oProxyCommand=touch/x"}, "its url is not https:, http: or file:"),
    ({"url": "file:///none/such"}, "git fetch: "),
    ({"url": "http://127.0.0.1:9/x.git"}, "no network\\?.*git fetch: "),
])
def test_what_cannot_be_had_is_one_line(pin: Callable[..., Pin], cache: Path, changes: dict[str, str], told: str) -> None:
    with pytest.raises(FetchError, match=told) as caught:
        fetch.get(pin(**changes), cache)
    assert "\n" not in str(caught.value)


def test_offline_takes_only_what_is_there(pin: Callable[..., Pin], cache: Path) -> None:
    with pytest.raises(Refused, match="offline=1 forbids"):
        fetch.get(pin(), cache, offline=True)
    fetch.get(pin(), cache)
    assert fetch.get(pin(), cache, offline=True).path.is_file()


def test_neither_the_users_nor_the_repositorys_configuration_runs_anything(pin: Callable[..., Pin], upstream: Path, cache: Path, tmp_path: Path,
                                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    home, mark = tmp_path / "home", tmp_path / "ran"
    home.mkdir()
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hook.chmod(0o755)
    # git's own upload-pack runs this one before it packs, if protected configuration says so: the user's, which we leave out.
    (home / ".gitconfig").write_text(f'[uploadpack]\n\tpackObjectsHook = {hook}\n[core]\n\tfsmonitor = {hook}\n[url "file:///none/"]\n\tinsteadOf = file://\n')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.allow")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "never")
    for name in ("post-checkout", "reference-transaction", "pre-auto-gc"):
        (upstream / ".git/hooks" / name).write_text(hook.read_text())
        (upstream / ".git/hooks" / name).chmod(0o755)
    fetch.get(pin(), cache)
    assert not mark.exists()


def test_a_corrupt_object_is_refused(pin: Callable[..., Pin], upstream: Path, cache: Path) -> None:
    blob = git(upstream, "rev-parse", "HEAD:first")
    file = upstream / ".git/objects" / blob[:2] / blob[2:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-3] + b"xxx")
    with pytest.raises(FetchError, match="git fetch: "):
        fetch.get(pin(), cache)
