# SPDX-License-Identifier: Apache-2.0
"""The repositories of a tree: which there are, what each stands at, what was changed in it, and how that differs from the pin.

A commit is read from the repository's own files, since 500 of them by git would take a second at read time; only what was
changed by hand is asked of git, of the few that we patch or name.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln import git, run, stamp
from kiln.errors import Refused, one_line
from kiln.system import generations
from kiln.system.described import Described

# Repositories that our libraries or any build come from; those of product and board are found beside them.
NAMED = ("build", "productdefine/common", *(folder for _, folder in generations.PARTS.values()))
_BOARDS = ("vendor/*", "device/board/*", "device/soc/*")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"ref: (refs/[^\s\x00]{1,300})")
_SKIPPED = {"out", ".repo", "prebuilts", "ccache", ".ccache"}
_GENERATED = {"mindspore-src/"}        # what a build itself leaves beside sources
_DEEP = 6                      # folders below the root; the deepest of OpenHarmony's repositories lies there
_MOST = 1 << 20                # bytes of a file of git's that are read
_WHOLE = {"images", "make_packages", "make_all"}


@dataclass(frozen=True)
class Project:
    """A repository at `path` (from the root): its commit ("" if it is none), the files changed in it and by nobody's patch of ours."""

    path: str
    commit: str
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """A repository that is not at its pinned commit."""

    path: str
    commit: str
    pinned: str

    def __str__(self) -> str:
        return f"{self.path} is at {self.commit[:12] or 'no commit'}, {self.pinned[:12]} is pinned"


def commit(folder: Path) -> str:
    """What HEAD of the repository in this very folder is; "" if there is none, or none yet."""
    home = _home(folder / ".git")
    if home is None:
        return ""
    head = _line(home / "HEAD")
    found = _REF.fullmatch(head)
    if found is None:
        return head if _COMMIT.fullmatch(head) else ""
    common = home / (_line(home / "commondir") or ".")
    for place in (home, common):
        loose = _line(place / found[1]) if ".." not in found[1] else ""
        if _COMMIT.fullmatch(loose):
            return loose
    packed = next((line for line in _text(common / "packed-refs").splitlines() if line.endswith(f" {found[1]}")), "")
    return packed.partition(" ")[0] if _COMMIT.fullmatch(packed.partition(" ")[0]) else ""


def named(tree: Path, patched: Iterable[str] = ()) -> tuple[str, ...]:
    """The repositories that we patch or name and that are there: a few dozen files are looked at, no more."""
    boards = (path.relative_to(tree).as_posix() for place in _BOARDS for path in tree.glob(place) if os.path.lexists(path / ".git"))
    return tuple(sorted({path for path in (*NAMED, *patched, *boards) if os.path.lexists(tree / path / ".git")}))


def identity(tree: Path, patched: Iterable[str] = ()) -> str:
    """Of a tree, for a key: its version file, and the commits of the repositories that we patch or name."""
    return stamp.key("tree", _text(tree / generations.VERSION_FILE), [[path, commit(tree / path)] for path in named(tree, patched)])


def every(tree: Path) -> tuple[str, ...]:
    """All repositories: as `repo` lists them, else as they are found."""
    listed = [line for line in _text(tree / ".repo" / "project.list").splitlines() if line and not line.startswith("/") and ".." not in line.split("/")]
    return tuple(sorted({path for path in listed or _found(tree, "", 0) if commit(tree / path)}))


def look(tree: Path, paths: Iterable[str], ours: Sequence[str] = ()) -> tuple[Project, ...]:
    """These repositories with what was changed in them by hand; `ours` are the files that our patches changed."""
    return tuple(Project(path, commit(tree / path), _changed(tree, path, ours)) for path in paths)


def differences(tree: Path, pinned: Mapping[str, str], targets: Sequence[str]) -> tuple[Difference, ...]:
    """Where the tree is not as pinned: for a whole image every repository that is there, for libraries those that they need."""
    wanted = pinned if _WHOLE & set(targets) else needed(tree, pinned, targets)
    stands = ((path, commit(tree / path)) for path in sorted(wanted) if (tree / path).is_dir())
    return tuple(Difference(path, head, pinned[path]) for path, head in stands if head != pinned[path])


def needed(tree: Path, pinned: Iterable[str], targets: Sequence[str]) -> frozenset[str]:
    """The pinned repositories whose parts the targets depend on, as the bundle.json in the root of each says; and build's own."""
    pinned = set(pinned)
    parts: dict[str, tuple[str, tuple[str, ...]]] = {}
    for path in pinned:
        name, needs = _bundle(tree / path / "bundle.json")
        if name:
            parts[name] = (path, needs)
    wanted = [generations.PARTS.get(target, (target, ""))[0] for target in targets]
    seen: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in parts and name not in seen:
            seen.add(name)
            wanted += parts[name][1]
    return frozenset(pinned & {"build", "productdefine/common", *(parts[name][0] for name in seen)})


def of_product(product: Described, pinned: Iterable[str]) -> frozenset[str]:
    """The pinned repositories that a product's and its board's folders lie in."""
    return frozenset(path for path in pinned if any(f"{place}/".startswith(f"{path}/") for place in (product.folder, product.device) if place))


def manifest_url(tree: Path) -> str:
    """Where `repo` took its manifest from; "" if it does not say."""
    found = re.search(r"^\s*url\s*=\s*((?:https?|ssh|git|file)://\S+|\S+@\S+)\s*$", _text(tree / ".repo" / "manifests.git" / "config"), re.M)
    return one_line(found[1], 300) if found else ""


def _home(git_folder: Path) -> Path | None:
    """The folder of git's files: .git itself, what it links to (repo), or what it names (worktrees, submodules)."""
    if git_folder.is_dir():
        return git_folder
    said = _line(git_folder)
    return git_folder.parent / said.removeprefix("gitdir: ") if said.startswith("gitdir: ") else None


def _changed(tree: Path, path: str, ours: Sequence[str]) -> tuple[str, ...]:
    folder = tree / path
    done = run.run(git.argv(["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal", "--ignore-submodules=all"], folder),
                   cwd=folder, ok=(0, 128), keep=100_000)
    if done.code:
        raise Refused(f"git does not know its state: {run.first_error(done.tail)}", where=folder)
    mine = {name.removeprefix(f"{path}/") for name in ours} | _GENERATED
    names = (entry[3:] for entry in done.text.split("\0") if entry)
    return tuple(sorted(name for name in names if name not in mine and not os.path.lexists(folder / name / ".git")))


def _found(tree: Path, path: str, deep: int) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(tree / path), key=lambda entry: entry.name)
    except OSError:
        return
    if path and any(entry.name == ".git" for entry in entries):
        yield path
    for entry in entries:
        if deep < _DEEP and entry.is_dir(follow_symlinks=False) and entry.name not in _SKIPPED and entry.name != ".git":
            yield from _found(tree, f"{path}/{entry.name}".lstrip("/"), deep + 1)


def _bundle(file: Path) -> tuple[str, tuple[str, ...]]:
    """The name of the part in a bundle.json, and of those that it depends on."""
    try:
        component = json.loads(_text(file))["component"]
        deps = component.get("deps", {})
        return str(component["name"]), tuple(str(name) for kind in ("components", "third_party") for name in deps.get(kind, []))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", ()


def _line(file: Path) -> str:
    return _text(file).partition("\n")[0].strip()


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
