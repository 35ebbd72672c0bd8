# SPDX-License-Identifier: Apache-2.0
"""What one run was asked for: every variable of the command line, typed, with its default and its line of help."""

from __future__ import annotations

import datetime
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln.errors import Refused, known
from kiln.system import generations


@dataclass(frozen=True)
class Variable:
    """One `name=value` of the command line. `kind`: word, path, count, words, or one of CHOICES."""

    name: str
    default: str
    help: str
    kind: str = "word"


# What a run is about: the commands that it tells a person carry these on, or they would be about another build.
CARRIED = ("product", "model", "ohos", "base", "sdk", "strict", "build", "cache", "mirror", "offline", "board")
CHOICES = {"flag": ("0", "1"), "demo": ("", "nnrt"), "consent": ("0", "1", "userdata")}
VARIABLES = (
    Variable("product", "virt", "which product: a file of products/"),
    Variable("model", "", "a GGUF to bake instead of the product's (told in the manifest as not pinned)", "path"),
    Variable("ohos", "", "an OpenHarmony tree: its own build.sh makes libraries and images, as the product says", "path"),
    Variable("base", "", "a folder of partition images with parameter.txt, instead of the product's base (told as not pinned)", "path"),
    Variable("sdk", "", "an ohos-sdk, instead of the product's: unpacked, its linux or native folder, or its archive (told as not pinned)", "path"),
    Variable("strict", "0", "1: refuse an OpenHarmony tree that is not at its pinned commits", "flag"),
    Variable("update", "", "move a pin: a file of vendor/, to what is there today (openharmony: with ohos=PATH)"),
    Variable("date", "", "with update= of a daily build: that day, YYYYMMDD", "date"),
    Variable("branch", "", "with update= of a daily build: of that branch of OpenHarmony"),
    Variable("build", "build", "where everything is built [in an OpenHarmony tree: its out/kiln]", "path"),
    Variable("cache", "", "downloads and kept results [XDG_CACHE_HOME or ~/.cache, then /kiln]", "path"),
    Variable("mirror", "", "a folder of pinned inputs, asked before the network", "path"),
    Variable("into", "", "where bundle puts the inputs [build/<product>/bundle]", "path"),
    Variable("offline", "0", "1: take nothing from the network", "flag"),
    Variable("made", "1", "0: do not reuse kept results (SDK, llama.cpp)", "flag"),
    Variable("ccache", "1", "0: compile without the compiler cache", "flag"),
    Variable("jobs", "", "how many compilers at once [-j, else the number of cores]", "count"),
    Variable("board", "", "where check and chat run: virt, the virtual board, also for a product with hardware; or the serial number of one of several boards"),
    Variable("yes", "0", "1: flash writes to the board, which else only prints its plan; userdata: even if that erases userdata", "consent"),
    Variable("ms", "", "for demo: a .ms model to run through MindSpore Lite; after commas, files of raw bytes for its inputs", "paths"),
    Variable("demo", "", "nnrt: the verb demo does an Add and an FFN on every device of NNRt (this alone asks for the verb)", "demo"),
    Variable("dev", "", "native targets whose own build system is asked every time, by name, or ohos", "words"),
)


@dataclass(frozen=True)
class Settings:
    """One run. `build` and `cache` are absolute."""

    product: str
    model: Path | None
    ohos: Path | None
    base: Path | None
    sdk: Path | None
    strict: bool
    update: str
    date: str
    branch: str
    build: Path
    cache: Path
    mirror: Path | None
    into: Path | None
    offline: bool
    made: bool
    ccache: bool
    jobs: int
    board: str                         # "", "virt", or the key of a board that hdc lists
    yes: str                           # "0", "1", "userdata"
    dev: tuple[str, ...]
    ms: tuple[Path, ...]               # the model, then its inputs
    demo: str                          # "" or "nnrt"
    given: tuple[tuple[str, str], ...]   # as typed, but the product, which is always there

    def command(self, *words: str) -> str:
        """A command for a person that is about this very build: with its product and its inputs, and these words."""
        about = {"product": self.product, **{name: value for name, value in self.given if name in CARRIED}}
        said = {word.partition("=")[0] for word in words}
        return shlex.join(["scons", *(f"{name}={value}" for name, value in about.items() if name not in said), *words])


def read(given: Sequence[tuple[str, str]], here: Path, jobs: int | None = None) -> Settings:
    """The variables of one command line as Settings. Raises Refused for an unknown, repeated or unfit one.

    `here` is the folder that relative paths are meant from; `jobs` what -j says, None if it was not given.
    """
    values = {variable.name: variable.default for variable in VARIABLES}
    seen: set[str] = set()
    for name, value in given:
        if name not in values:
            raise Refused(f"unknown variable {name!r}", hint=known(name, values))
        if name in seen:
            raise Refused(f"variable {name} is given twice", hint="give it once")
        seen.add(name)
        values[name] = value
    if "build" not in seen and (tree := generations.above(here / "_")):
        values["build"] = str(tree / "out" / "kiln")    # OpenHarmony's loader scans every folder of third_party and the like, but not out/
    for variable in VARIABLES:
        _fits(variable, values[variable.name])
    if not values["update"] and (values["date"] or values["branch"]):
        raise Refused("date= and branch= choose what update= takes", hint="scons update=PIN date=YYYYMMDD branch=NAME")
    cache = values["cache"] or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "kiln")
    return Settings(
        product=values["product"], build=_path(here, values["build"]), cache=_path(here, cache),
        model=_path(here, values["model"]) if values["model"] else None,
        ohos=_path(here, values["ohos"]) if values["ohos"] else None, strict=values["strict"] == "1",
        base=_path(here, values["base"]) if values["base"] else None, update=values["update"],
        sdk=_path(here, values["sdk"]) if values["sdk"] else None,
        date=values["date"], branch=values["branch"],
        mirror=_path(here, values["mirror"]) if values["mirror"] else None, into=_path(here, values["into"]) if values["into"] else None,
        offline=values["offline"] == "1", made=values["made"] == "1", ccache=values["ccache"] == "1",
        jobs=int(values["jobs"] or jobs or len(os.sched_getaffinity(0))),
        board=values["board"], yes=values["yes"],
        dev=tuple(word for word in values["dev"].split(",") if word),
        ms=tuple(_path(here, word) for word in values["ms"].split(",") if word), demo=values["demo"],
        given=tuple((name, value) for name, value in given if name != "product"))


def _fits(variable: Variable, value: str) -> None:
    choices = CHOICES.get(variable.kind, (value,))
    if value not in choices:
        words = [word for word in choices if word]
        raise Refused(f"{variable.name}={value} must be {' or '.join(filter(None, [', '.join(words[:-1]), words[-1]]))}")
    if variable.kind == "count" and value and not re.fullmatch(r"[1-9]\d{0,2}", value):
        raise Refused(f"{variable.name}={value} must be a number from 1 to 999")
    if variable.kind == "date" and value and not _day(value):
        raise Refused(f"{variable.name}={value} must be a day as YYYYMMDD")
    if variable.name == "branch" and value and not re.fullmatch(r"[A-Za-z0-9][\w./-]{0,99}", value):
        raise Refused(f"{variable.name}={value} must be the name of a branch, such as master or OpenHarmony-6.1-Release")
    if variable.kind in ("path", "paths") and ("\n" in value or "\0" in value):
        raise Refused(f"{variable.name} must be a path on one line")


def _day(value: str) -> bool:
    try:
        datetime.date.fromisoformat(value)
    except ValueError:
        return False
    return bool(re.fullmatch(r"20\d{6}", value))


def _path(here: Path, value: str) -> Path:
    return Path(os.path.normpath(here / Path(value).expanduser()))
