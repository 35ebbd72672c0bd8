# SPDX-License-Identifier: Apache-2.0
"""A pinned input: `vendor/<name>.yaml` says what it is, where it comes from and the only bytes that will do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kiln import share, spec
from kiln.errors import Refused, SpecError, known

_DIGEST = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_INSIDE = re.compile(r"(?!-)[\w.+@-]+(?:/[\w.+@-]+)*")


@dataclass(frozen=True)
class Mirror:
    """Another place with the same bytes; `kind` is a file in fetch/kinds."""

    kind: str
    url: str = ""
    name: str = ""
    version: str = ""
    file: str = ""
    path: str = ""


@dataclass(frozen=True)
class Pin:
    """One upstream at one version. `sha256` and `size` (bytes, 0 if nobody recorded it) are of `file`; `subdir` is the root after unpacking."""

    kind: str
    version: str
    file: str
    sha256: str
    size: int
    licence: str
    name: str = ""                     # the registry's own name
    url: str = ""
    path: str = ""
    subdir: str = ""
    arch: str = ""                     # deb: the Debian architecture
    accept: Literal["", "signed"] = ""  # deb: a newer package of the signed index will do (tools that enter no image)
    service: str = ""                  # daily: the address that update= asks
    downloads: str = ""                # daily: what a relative path of the service is below
    branch: str = ""                   # daily: the branch that update= asks for
    token: str = ""                    # https: the environment variable of a token, sent to the first host only
    mirrors: tuple[Mirror, ...] = ()
    projects: dict[str, str] = field(default_factory=dict, hash=False)  # repo: the commit of each repository, by its folder in the tree
    seen: str = ""
    trust: Literal["published", "first-seen"] = "published"
    pin: str = field(default="", metadata={"yaml": False})  # the file's own name, set by load()

    @property
    def instead(self) -> str:
        """What a person may give in its place, where there is such a thing."""
        if self.file.endswith(".gguf"):
            return "model=FILE takes a GGUF of your own"
        if self.kind == "daily":
            return "base=DIR takes images of your own" if self.name.endswith("_img") else "sdk=PATH takes an SDK of your own"
        return ""

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.sha256):
            raise SpecError("sha256 must be 64 lower-case hex digits")
        if self.size < 0 or "/" in self.file or self.file in ("", ".", ".."):
            raise SpecError("size must not be negative and file must be a plain file name")
        for path, commit in self.projects.items():
            if not _INSIDE.fullmatch(path) or ".." in path.split("/") or not _COMMIT.fullmatch(commit):
                raise SpecError(f"projects: {path!r} must be a folder in the tree, and its value the whole name of a commit")
        if (self.kind == "repo" or self.projects) and listing(self.projects) != (self.sha256, self.size):
            raise SpecError("sha256 and size are not those of projects", hint="scons update=openharmony ohos=PATH writes them")


def listing(projects: Mapping[str, str]) -> tuple[str, int]:
    """sha256 and size of a list of projects: a line `path commit` each, by path."""
    text = "".join(f"{path} {commit}\n" for path, commit in sorted(projects.items())).encode()
    return hashlib.sha256(text).hexdigest(), len(text)


def names(folder: Path | None = None) -> tuple[str, ...]:
    """All pins, sorted."""
    return tuple(sorted(file.stem for file in (folder or share.folder("vendor")).glob("*.yaml")))


def load(name: str, folder: Path | None = None) -> Pin:
    """The pin of that name. Raises Refused for an unknown name, SpecError with file:line for a bad file."""
    from dataclasses import replace

    folder = folder or share.folder("vendor")
    if name not in names(folder):
        raise Refused(f"unknown pin {name!r}", hint=known(name, names(folder)))
    return replace(spec.read(folder / f"{name}.yaml", Pin, shown=f"vendor/{name}.yaml"), pin=name)
