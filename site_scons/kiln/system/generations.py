# SPDX-License-Identifier: Apache-2.0
"""What build.sh of each OpenHarmony generation takes and makes: a row a generation, chosen by the tree's version."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln.errors import Refused

VERSION_FILE = Path("build/version.gni")
CPUS = {"arm64-v8a": "arm64", "armeabi-v7a": "arm", "x86_64": "x86_64"}
_API = re.compile(r'^\s*api_version\s*=\s*"?(\d{1,3})"?\s*$', re.M)
_SDK = re.compile(r'^\s*sdk_version\s*=\s*"([0-9.]{1,32})"\s*$', re.M)


@dataclass(frozen=True)
class Generation:
    """One generation of build.sh.

    `first` and `last` are the API levels that it covers; `flags` is what we always pass; `libraries` names the files that
    each target makes; `sdk` and `api` are the version that a miniature tree of this generation says it has.
    """

    name: str
    first: int
    last: int
    sdk: str
    api: int
    flags: tuple[str, ...]
    libraries: tuple[tuple[str, tuple[str, ...]], ...]

    def made_by(self, target: str) -> tuple[str, ...]:
        """The file names that a target makes; none for a target that we do not know, such as images."""
        return dict(self.libraries).get(target, ())


# 5.x: --jobs does nothing there, so the number of jobs goes to ninja; --no-prebuilt-sdk is read by build.sh itself and keeps a
# library target from building the whole SDK first. Every switch is spelled with `=`: a bare one swallows the next word.
TABLE = (
    Generation("5.1", 12, 19, "5.1.0.108", 18, ("--no-prebuilt-sdk", "--ccache=false"), (
        ("mindspore_lib", ("libmindspore-lite.so",)),
        ("neural_network_runtime", ("libneural_network_core.so", "libneural_network_runtime.so")),
    )),
)


def of(tree: Path) -> Generation:
    """The row of a tree. Raises Refused if it is no OpenHarmony tree or of a generation that the table lacks."""
    api = int(_said(tree, _API, "api_version"))
    for row in TABLE:
        if row.first <= api <= row.last:
            return row
    known = ", ".join(f"{row.name} (API {row.first} to {row.last})" for row in TABLE)
    raise Refused(f"API level {api} is of a generation of build.sh that is not known", where=tree / VERSION_FILE,
                  hint=f"known: {known}")


def named(name: str) -> Generation:
    """The row of that name."""
    return next(row for row in TABLE if row.name == name)


def version(tree: Path) -> str:
    """sdk_version of a tree, such as 5.1.0.108."""
    return _said(tree, _SDK, "sdk_version")


def argv(row: Generation, product: str, targets: Sequence[str], abi: str, jobs: int) -> list[str]:
    """The command that builds `targets`, run in the root of the tree. build.sh up to 5.1 splits words anew: none has a space."""
    asked = [word for target in targets for word in ("--build-target", target)]
    return ["./build.sh", "--product-name", product, *asked, "--target-cpu", CPUS[abi], f"--ninja-args=-j{jobs}", *row.flags]


def _said(tree: Path, pattern: re.Pattern[str], key: str) -> str:
    file = tree / VERSION_FILE
    try:
        found = pattern.search(file.read_text(errors="replace"))
    except OSError as error:
        raise Refused("is not an OpenHarmony tree: it has no build/version.gni", where=tree) from error
    if found is None:
        raise Refused(f"says no {key}", where=file)
    return found[1]
