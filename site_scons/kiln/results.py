# SPDX-License-Identifier: Apache-2.0
"""What passes between steps: frozen values, saved as canonical JSON beside the files that they name.

Paths in a saved value are relative to its folder, so equal results are equal bytes in any folder; load() makes them
absolute again. Nothing else crosses from one step to the next.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from kiln import stamp
from kiln.footprint import Budget

T = TypeVar("T")
NAME = "result.json"
SECTOR = 512                           # bytes: the unit of every partition table
BACKUP = 34                            # sectors at each end that GPT takes; rkdeveloptool ends a growing partition there too
MODEL = "model"                        # the partition that a stock table does not have
LOADER = "MiniLoaderAll.bin"           # how OpenHarmony's packaging and Rockchip's tools call it


@dataclass(frozen=True)
class Input:
    """One pinned input as the manifest lists it."""

    name: str
    kind: str
    version: str
    sha256: str
    size: int
    licence: str
    pinned: bool = True


@dataclass(frozen=True)
class Step:
    """One step as the manifest lists it: what it was made from (its key) and the number of the code that made it."""

    step: str
    key: str
    revision: int


def identity(sha256: str, patches: str) -> str:
    """Of a tree that is made of an input with this digest and a series of patches with that one ("" for none)."""
    return f"{sha256}+{patches}" if patches else sha256


@dataclass(frozen=True)
class Tree:
    """An unpacked input; `patches` is the digest of the series that was applied to it, "" for none."""

    root: Path
    input: Input
    patches: str = ""

    @property
    def identity(self) -> str:
        """What a key made of this tree must hold: the input's digest, and that of its patches where there are any."""
        return identity(self.input.sha256, self.patches)


@dataclass(frozen=True)
class Toolchain:
    """An `ohos-sdk/linux/native` layout for one ABI, real or stand-in.

    `file` is its ohos.toolchain.cmake, `runtime` the shared C++ library that a shared program needs on the board,
    `identity` what a compiler cache must know, `hidden` the paths that must not be found in a binary.
    """

    root: Path
    file: Path
    abi: str
    triple: str
    identity: str
    runtime: Path
    sandbox: bool
    key: str


@dataclass(frozen=True)
class Artifact:
    """A file for the board (or for the host): what it is and where it goes. `sha256` is of the file.

    `dest` is absolute on the board ("" for a host program); `mode`, `uid`, `gid` never come from the host file.
    """

    file: Path
    dest: str
    mode: int
    uid: int
    gid: int
    label: str
    origin: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Artifacts:
    """What a native target or the system build gave."""

    items: tuple[Artifact, ...]
    key: str


@dataclass(frozen=True)
class SystemBuilt:
    """What build.sh of a tree gave: the folder of images (None: only libraries were asked for), and the libraries, which are in
    those images too. `key` changes when a byte of them may have."""

    images: Path | None
    items: tuple[Artifact, ...]
    inputs: tuple[Input, ...]
    version: str                       # of OpenHarmony
    sandbox: bool
    key: str


@dataclass(frozen=True)
class Partition:
    """A row of the partition table: sectors of 512 bytes; size 0 means up to the end of the disk."""

    name: str
    start: int
    size: int
    image: Path | None
    guid: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileSystem:
    """The ext4 file system of a partition's image: bytes and inodes, and how many of them are free."""

    partition: str
    size: int
    free: int
    inodes: int
    free_inodes: int


@dataclass(frozen=True)
class Base:
    """The images that we inject into: the partition table and the image of each partition, and what they are.

    `items` are libraries that a tree rebuilt and that replace the base's own.
    """

    partitions: tuple[Partition, ...]
    parameter: Path
    abi: str                           # of the userland
    version: str                       # of OpenHarmony
    variant: str                       # of the build: root or user, "" where the base does not say
    selinux: str                       # enforcing or permissive, "" where the base has no policy
    sandbox: bool
    inputs: tuple[Input, ...]
    key: str
    items: tuple[Artifact, ...] = ()
    file_systems: tuple[FileSystem, ...] = ()


@dataclass(frozen=True)
class Gguf:
    """A model file: `recipe` says how it was quantized, `sha256` and `size` (bytes) are of the file."""

    file: Path
    sha256: str
    size: int
    recipe: str
    name: str
    licence: str
    context: int
    key: str


@dataclass(frozen=True)
class Placement:
    """What goes where on the board; `model` is the partition that holds the model file at `model_path`, `budget` how it is served."""

    items: tuple[Artifact, ...]
    partitions: tuple[Partition, ...]
    model: str
    model_path: str
    budget: Budget


@dataclass(frozen=True)
class Output:
    """One file of images/."""

    file: Path
    format: str
    size: int
    sha256: str
    partition: str = ""
    offset: int = 0


@dataclass(frozen=True)
class Images:
    """What a build gives: the files of images/ and the manifest beside them."""

    outputs: tuple[Output, ...]
    manifest: Path
    key: str


@dataclass(frozen=True)
class Boot:
    """What the virtual board boots with: a kernel (version `release`) and the initial RAM disk that fits it."""

    kernel: Path
    initrd: Path
    release: str
    key: str


@dataclass(frozen=True)
class BoardFacts:
    """What a card says about a board: its kind, serial number, processor, and what plays it on this machine."""

    kind: str
    serial: str
    cpu: str
    cores: int
    kvm: bool
    qemu: str


@dataclass(frozen=True)
class ServiceStatus:
    """A service as the board's init sees it; memory in bytes, `peak` is the most that it ever held."""

    state: str
    pid: int
    exits: int
    last: str
    resident: int
    peak: int


@dataclass(frozen=True)
class Written:
    """How the write of one partition ended: `why` is empty where all of it is confirmed, else what was said.

    `begun` False means that nothing of it was written; else `percent` is the last that was told, and the rest unknown.
    """

    percent: int
    why: str = ""
    begun: bool = True
    hint: str = ""


def save(value: Any, folder: Path) -> Path:
    """Write `value` to folder/result.json, paths relative to it. Gives the file back."""
    file = folder / NAME
    stamp.write(file, json.dumps(_plain(value, folder), sort_keys=True, indent=1) + "\n")
    return file


def load(kind: type[T], file: Path) -> T:
    """The value that save() wrote; `file` is the result.json. Our own file, so a mismatch is a bug and raises as one."""
    return _rich(json.loads(file.read_text()), kind, file.parent)  # type: ignore[no-any-return]


def _plain(value: Any, folder: Path) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name), folder) for field in dataclasses.fields(value)}
    if isinstance(value, Path):
        return os.path.relpath(value, folder)
    if isinstance(value, (tuple, list)):
        return [_plain(item, folder) for item in value]
    return value


def _rich(value: Any, kind: Any, folder: Path) -> Any:
    if value is None:
        return None
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _rich(item, hints[name], folder) for name, item in value.items()})  # type: ignore[operator]
    if get_origin(kind) is tuple:
        return tuple(_rich(item, get_args(kind)[0], folder) for item in value)
    if Path in (kind, *get_args(kind)):
        return Path(os.path.normpath(folder / value))
    return value
