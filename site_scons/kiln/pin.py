# SPDX-License-Identifier: Apache-2.0
"""A pinned input: `vendor/<name>.yaml` says what it is, where it comes from and the only bytes that will do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kiln import share, spec
from kiln.errors import Refused, SpecError, known

_DIGEST = re.compile(r"[0-9a-f]{64}")


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
    """One upstream at one version. `sha256` and `size` (bytes) are of `file`; `subdir` is the root after unpacking."""

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
    token: str = ""                    # https: the environment variable of a token, sent to the first host only
    mirrors: tuple[Mirror, ...] = ()
    seen: str = ""
    trust: Literal["published", "first-seen"] = "published"
    pin: str = field(default="", metadata={"yaml": False})  # the file's own name, set by load()

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.sha256):
            raise SpecError("sha256 must be 64 lower-case hex digits")
        if self.size < 0 or "/" in self.file or self.file in ("", ".", ".."):
            raise SpecError("size must not be negative and file must be a plain file name")


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
