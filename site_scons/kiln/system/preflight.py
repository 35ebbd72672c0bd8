# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a tree, all of it at once and each with its remedy, before build.sh spends the first minute."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kiln import run
from kiln.errors import KilnError, Refused, known, one_line
from kiln.system import described, generations
from kiln.system.described import Described
from kiln.system.generations import Generation

DOWNLOAD = "run build/prebuilts_download.sh"
MIB = 1 << 20
# Disk that a first build asks for, by part of the product; estimated (rk3568 has some 400 parts), no more than that. What was built once fits again.
PART, PART_IMAGES, LEAST = 32 * MIB, 128 * MIB, 512 * MIB
_POINTER = b"version https://git-lfs"
_ANY = tuple(range(-64, 256))
_MOST = 20000                                  # files looked at in one folder
_NAMED = re.compile(r'^\s*(?!import\b)\w+\("([^"$]{1,100})"\)', re.M)
_CPU = re.compile(r'^target_cpu\s*=\s*"(\w+)"', re.M)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: what, where (a path from the root, or a name), and what to do."""

    what: str
    where: str
    remedy: str


@dataclass(frozen=True)
class Asked:
    """What is to be built where; `row` and `product` are None where the tree's own are not known, which is a finding already."""

    tree: Path
    targets: tuple[str, ...]
    abi: str
    row: Generation | None
    product: Described | None

    @property
    def images(self) -> bool:
        """Whether whole images are asked for, not libraries alone."""
        return whole(self.targets)


def whole(targets: Sequence[str]) -> bool:
    """Whether these targets are whole images."""
    return not {"images", "make_packages", "make_all"}.isdisjoint(targets)


def check(tree: Path, product: str, targets: Sequence[str], abi: str) -> None:
    """Raise one Refused that names everything that look() finds."""
    found = look(tree, product, targets, abi)
    if found:
        raise Refused(f"build.sh cannot build this tree: {told(found)}", where=tree)


def look(tree: Path, product: str, targets: Sequence[str], abi: str) -> tuple[Finding, ...]:
    """Everything that is wrong with building `targets` of `product` for `abi` in `tree`; nothing is written."""
    if not (tree / generations.VERSION_FILE).is_file():
        return (Finding("not an OpenHarmony tree", str(generations.VERSION_FILE), "ohos= must name the folder that holds build.sh"),)
    found: list[Finding] = []
    row: Generation | None = None
    known_as: Described | None = None
    try:
        row = generations.of(tree)
    except Refused as error:
        found.append(_finding(tree, error))
    try:
        known_as = described.find(tree, product)
    except Refused as error:
        found.append(_finding(tree, error))
    asked = Asked(tree, tuple(targets), abi, row, known_as)
    return (*found, *(finding for look_at in CHECKS for finding in look_at(asked)))


def told(found: Iterable[Finding]) -> str:
    """All findings on one line; those of one kind together."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for each in found:
        kinds.setdefault((each.what, each.remedy), []).append(each.where)
    return " ".join(f"({n}) {', '.join(where)}: {what}; {one_line(remedy, 160)}" for n, ((what, remedy), where) in enumerate(kinds.items(), 1))


def wanted(parts: int, images: bool, built: bool) -> int:
    """Bytes of free disk that a build of a product with so many parts asks for."""
    return LEAST if built else max(LEAST, parts * (PART_IMAGES if images else PART))


def root(asked: Asked) -> Iterator[Finding]:
    """build.sh and .gn, which are links that an archive or a half-done sync loses."""
    for name, at in (("build.sh", "build/build_scripts/build.sh"), (".gn", "build/core/gn/dotfile.gn")):
        if not os.path.isfile(asked.tree / name):
            yield Finding("absent", name, f"ln -s {at} {name}")


def sources(asked: Asked) -> Iterator[Finding]:
    """Repositories that hb reads before any target, where repo made the tree."""
    if (asked.tree / ".repo").is_dir():
        for name in ("productdefine/common", "developtools/integration_verification"):
            if not (asked.tree / name).is_dir():
                yield Finding("absent", name, f"repo sync -c {name}")


def prebuilts(asked: Asked) -> Iterator[Finding]:
    """What will be asked for and is absent; a link that leads nowhere is absent too."""
    if asked.row is None:
        return
    for pattern in asked.row.prebuilts:
        if not _there(asked.tree, pattern):
            yield Finding("absent", pattern, DOWNLOAD)
    folder = asked.row.sdk_folder
    if asked.images and folder and not _there(asked.tree, folder):
        yield Finding("no SDK for the apps in the images", folder, f"{DOWNLOAD} --download-sdk")


def versions(asked: Asked) -> Iterator[Finding]:
    """Python and Node as they say themselves: a folder's name proves nothing."""
    if asked.row is None:
        return
    for pattern in asked.row.prebuilts:
        name, file = Path(pattern).name, _there(asked.tree, pattern)
        if name not in ("python3", "node") or file is None or _is_pointer(file):
            continue
        at, said = file.relative_to(asked.tree).as_posix(), _says(file)
        number = re.search(r"(\d+)\.(\d+)\.\d+", said)
        if number is None:
            yield Finding(f"does not run: {said}", at, DOWNLOAD)
        elif name == "node" and said != asked.row.node:
            yield Finding(f"is {said}, build.sh takes {asked.row.node} only", at, DOWNLOAD)
        elif name == "python3" and (int(number[1]), int(number[2])) < asked.row.python:
            yield Finding(f"is {said}, {asked.row.python[0]}.{asked.row.python[1]} is needed", at, DOWNLOAD)


def pointers(asked: Asked) -> Iterator[Finding]:
    """git-lfs pointers where files should be: MindSpore's archive, which gn unpacks for any target; a board's boot files for images."""
    for pattern in asked.row.prebuilts if asked.row else ():
        file = _there(asked.tree, pattern)
        if file and _is_pointer(file):
            yield Finding("a git-lfs pointer", file.relative_to(asked.tree).as_posix(), DOWNLOAD)
    folders = {folder: False for _, folder in generations.PARTS.values()}
    if asked.images and asked.product:
        folders |= {folder: True for folder in (asked.product.device, asked.product.folder) if folder}
    for folder, deep in folders.items():
        found = [file for file in _files(asked.tree / folder, deep) if _is_pointer(file)]
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            yield Finding(f"a git-lfs pointer{more}", found[0].relative_to(asked.tree).as_posix(), f"git -C {folder} lfs pull")


def targets(asked: Asked) -> Iterator[Finding]:
    """Names that the tree does not know, and parts of ours that the product or the tree lacks."""
    have = asked.product.parts if asked.product else frozenset()
    for target in asked.targets:
        part, folder = generations.PARTS.get(target, ("", ""))
        if part and not any(os.path.isfile(asked.tree / folder / name) for name in ("bundle.json", "ohos.build")):
            yield Finding(f"{target} has no sources", folder, f"repo sync -c {folder}")
        if part and asked.product and part not in have:
            yield Finding(f"the product has no component {part}", asked.product.file, "add it to the components of its subsystem ai")
        if not part and asked.product:
            yield from _other(asked.tree, target, have)


def cpu(asked: Asked) -> Iterator[Finding]:
    """A CPU that cannot be asked for, and what a build for another one left: both go to out/<board>."""
    if asked.product is None:
        return
    word = generations.CPUS[asked.abi]
    if word == "arm" and asked.product.cpu not in ("", "arm"):
        yield Finding(f"the product is for {asked.product.cpu}, and --target-cpu arm overrides nothing", asked.product.file,
                      f'set target_cpu to "arm" there, or take an ABI of {asked.product.cpu}')
    left = _CPU.search(_text(asked.tree / asked.product.out / "args.gn"))
    if left and left[1] != word:
        yield Finding(f"was built for {left[1]}, this is for {word}", asked.product.out, f"rm -r {asked.product.out}")


def room(asked: Asked) -> Iterator[Finding]:
    """Free disk, for a first build by the number of parts."""
    if asked.product is None:
        return
    built = (asked.tree / asked.product.out / ".ninja_log").is_file()
    need, free = wanted(len(asked.product.parts), asked.images, built), shutil.disk_usage(asked.tree).free
    if free < need:
        yield Finding(f"{free >> 20} MiB free, a build needs about {need >> 20}", "out", "make room, or let out be a link to where there is some")


CHECKS = (root, sources, prebuilts, versions, pointers, targets, cpu, room)


def _other(tree: Path, target: str, parts: frozenset[str]) -> Iterator[Finding]:
    """A target that is not ours: a global one, a part of the product, path:name, or a name in the BUILD.gn of our parts."""
    folder, colon, name = target.partition(":")
    if target.startswith("//"):
        yield Finding("ninja knows no target with // in front", target, f"write {target.lstrip('/')}")
    elif colon and not folder.startswith("out/"):
        if name not in _NAMED.findall(_text(tree / folder / "BUILD.gn")):
            yield Finding("the tree has no such target", target, f"look in {folder}/BUILD.gn")
    elif not colon:
        names = {*generations.GLOBAL, *generations.PARTS, *parts}
        names |= {each for _, place in generations.PARTS.values() for each in _NAMED.findall(_text(tree / place / "BUILD.gn"))}
        if target not in names:
            yield Finding("the tree has no such target", target, f"write it as path/from/root:{target}, or {known(target, names)}")


def _finding(tree: Path, error: KilnError) -> Finding:
    return Finding(error.what, error.where.removeprefix(f"{tree}/"), error.hint)


def _there(tree: Path, pattern: str) -> Path | None:
    """What a glob means to build.sh: the last in a shell's order, this machine's own kind after others. A dead link is not there."""
    ours = ("aarch64", "arm64") if os.uname().machine == "aarch64" else ("x86", "x64")
    before, star, after = pattern.rpartition("*")
    found = sorted(tree.glob(before + star), key=lambda path: (any(word in path.name for word in ours), path)) if star else []
    path = Path(f"{found[-1]}{after}") if found else tree / pattern
    return path if os.path.exists(path) else None


def _says(program: Path) -> str:
    """What a program prints of its version, or why it does not."""
    try:
        return one_line(run.run([program, "-V" if program.name == "python3" else "-v"], ok=_ANY, timeout=10).text, 80)
    except KilnError as error:
        return one_line(error.what, 80)


def _files(folder: Path, deep: bool) -> Iterator[Path]:
    found = (Path(at) / name for at, _, names in os.walk(folder) for name in names)
    return islice(found, _MOST) if deep else (file for file in islice(folder.glob("*"), _MOST))


def _is_pointer(file: Path) -> bool:
    """A pointer is a text of some 130 bytes that begins with the address of its format."""
    try:
        if not file.is_file() or file.stat().st_size > 1024:
            return False
        with file.open("rb") as opened:
            return opened.read(len(_POINTER)) == _POINTER
    except OSError:
        return False


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except (OSError, ValueError):
        return ""
