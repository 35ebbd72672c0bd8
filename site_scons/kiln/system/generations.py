# SPDX-License-Identifier: Apache-2.0
"""What build.sh of each OpenHarmony generation takes and makes: a row a generation, chosen by the tree's version."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kiln.errors import Refused

VERSION_FILE = Path("build/version.gni")
CPUS = {"arm64-v8a": "arm64", "armeabi-v7a": "arm", "x86_64": "x86_64"}
_FLAG = re.compile(r"-|$")                 # an empty name is lost on the way
_SPLIT = re.compile(r"[\s*?\[]")
_API = re.compile(r'^\s*api_version\s*=\s*"?(\d{1,3})"?\s*$', re.M)
_SDK = re.compile(r'^\s*sdk_version\s*=\s*"([0-9.]{1,32})"\s*$', re.M)


Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Generation:
    """One generation of build.sh.

    `first` and `last` are the API levels that it covers; `sdk` and `api` are the version that a miniature tree of this
    generation says it has. `flags` is what we always pass, `jobs` the word that bounds ninja ("" where none does), `env` what
    only the environment can say; `lies` are flags that do not do what they say there, with what we do instead. `splits`: words
    are split anew, and globs in them are filled in. `libraries` names the files that each target makes. `prebuilts` are globs of what
    the build asks for, from the root, `python` (the first that will do) and `node` (exact; "" where nobody asks) the versions;
    `sdk_folder` is where an SDK for the apps of a whole image must lie. `origin` says how the row is known.
    """

    name: str
    first: int
    last: int
    sdk: str
    api: int
    flags: tuple[str, ...]
    libraries: tuple[tuple[str, tuple[str, ...]], ...]
    jobs: str
    env: Pairs
    lies: Pairs
    splits: bool
    prebuilts: tuple[str, ...]
    python: tuple[int, int]
    node: str
    sdk_folder: str
    origin: str

    def made_by(self, target: str) -> tuple[str, ...]:
        """The file names that a target makes; none for a target that we do not know, such as images."""
        return dict(self.libraries).get(target, ())


# The part that makes a target, and the folder of its repository: the same from 3.2 to master.
PARTS = {"mindspore_lib": ("mindspore", "third_party/mindspore"),
         "neural_network_runtime": ("neural_network_runtime", "foundation/ai/neural_network_runtime")}
# Targets that the build system itself brings, whatever the product.
GLOBAL = ("images", "make_packages", "make_all", "make_test")

_TOOLS = "prebuilts/build-tools/linux-x86/bin"
_CLANG = "prebuilts/clang/ohos/linux-x86_64/llvm/bin/clang"
_NODE = "prebuilts/build-tools/common/nodejs/node-v14.21.1-linux-x64/bin"
_HB = (f"{_TOOLS}/gn", f"{_TOOLS}/ninja", f"{_NODE}/node", f"{_NODE}/npm", _CLANG)
_MINDSPORE = ("mindspore_lib", ("libmindspore-lite.so",))

# entry.py parses with optparse: an unknown flag ends the build, `--ccache=false` too (it takes no value there), so ccache, which is
# used wherever it is installed, is switched off by its own environment variable. --jobs and --ninja-args are taken and dropped: no flag
# bounds ninja. No SDK is built first. After any build images.tar.gz is packed, unless told not to. Node is not asked for.
_3_2 = Generation(
    "3.2", 9, 9, "3.2.16.6", 9, flags=("--disable-package-image",), jobs="", env=(("CCACHE_DISABLE", "1"),), splits=True,
    libraries=(("mindspore_lib", ("libmindspore-lite.huawei.so",)), ("neural_network_runtime", ("libneural_network_runtime.z.so",))),
    lies=(("--jobs", "nothing: no flag bounds ninja there"), ("--ninja-args", "nothing: it only gives a warning"),
          ("--ccache", "CCACHE_DISABLE in the environment"), ("--no-prebuilt-sdk", "nothing: it is unknown, and no SDK is built")),
    prebuilts=("prebuilts/python/linux-x86/3.9.2/bin/python3", f"{_TOOLS}/gn", f"{_TOOLS}/ninja", _CLANG), python=(3, 9), node="",
    sdk_folder="", origin="source read; run up to gn")

# hb: unknown flags vanish silently, so a wrong word here would never be told. --jobs does nothing, so the number goes to ninja.
# --no-prebuilt-sdk is read by build.sh itself and keeps a library target from building the whole SDK first (hours). Every switch that
# hb knows is spelled with `=`: a bare one swallows the next word. --target-os knows android and ios only. ohpm is fetched if it
# is absent, so it is not asked for. MindSpore's name is that of 4.1, whose series of patches renames it: not seen on 4.0.
_4_0 = replace(
    _3_2, name="4.0", first=10, last=10, sdk="4.0.13.5", api=10, flags=("--no-prebuilt-sdk", "--ccache=false"),
    jobs="--ninja-args=-j{}", env=(), libraries=(_MINDSPORE, ("neural_network_runtime", ("libneural_network_runtime.z.so",))),
    lies=(("--jobs", "--ninja-args=-jN"), ("--sparse-image", "--gn-args sparse_image=true"), ("--target-os", "nothing: ohos is no choice"),
          ("--disable-package-image", "nothing: a placeholder")),
    prebuilts=("prebuilts/python/linux-x86/current/bin/python3", *_HB), python=(3, 10), node="v14.21.1",
    sdk_folder="prebuilts/ohos-sdk/linux", origin="source read")

# NNRt gained its core library and lost the .z of its names.
_4_1 = replace(
    _4_0, name="4.1", first=11, last=11, sdk="4.1.10.5", api=11, origin="source read; run up to gn",
    libraries=(_MINDSPORE, ("neural_network_runtime", ("libneural_network_core.so", "libneural_network_runtime.so"))))

_5_0 = replace(_4_1, name="5.0", first=12, last=17, sdk="5.0.0.71", api=12, python=(3, 11), origin="source read; 5.0.0 built mindspore_lib")

# The last folder of Python is taken. Where there is none, build.sh looks for /bin/python3, finds it, and fails later at something else.
_5_1 = replace(
    _5_0, name="5.1", first=18, last=19, sdk="5.1.0.108", api=18, origin="source read; MindSpore's name from 5.0",
    prebuilts=("prebuilts/python/linux-x86/*/bin/python3", *_HB))

# Words are kept as given. ohpm and hvigor are not fetched any more.
_6_0 = replace(
    _5_1, name="6.0", first=20, last=22, sdk="6.0.0.49", api=20, splits=False, sdk_folder="prebuilts/ohos-sdk/linux/*",
    prebuilts=(*_5_1.prebuilts, "prebuilts/tool/command-line-tools/ohpm/bin/ohpm", "prebuilts/tool/command-line-tools/hvigor/bin/hvigorw"),
    origin="source read; MindSpore's name from 5.0")

# hb itself builds the SDK, and build.sh appends --prebuilt-sdk=true: --no-prebuilt-sdk, now a switch of hb, is looked at first and wins.
# The host may be an aarch64. master is 26.0.0.39; what is known of the flags was run there.
_6_1 = replace(
    _6_0, name="6.1", first=23, last=26, sdk="6.1.0.31", api=23, flags=("--no-prebuilt-sdk=true", "--ccache=false"),
    prebuilts=tuple(re.sub(r"linux-(?:x86_64|x86|x64)/", "linux-*/", name) for name in _6_0.prebuilts),
    origin="master run to the end with a product of our own; MindSpore's name from 5.0")

# Each row says what is different from the one before. What holds for all: `--target-cpu arm` is the default and overrides nothing
# (a product that says arm64 stays arm64: preflight tells); a list of targets loses its order on the way.
TABLE = (_3_2, _4_0, _4_1, _5_0, _5_1, _6_0, _6_1)


def of(tree: Path) -> Generation:
    """The row of a tree. Raises Refused if it is no OpenHarmony tree or of a generation that the table lacks."""
    api = int(_said(tree, _API, "api_version"))
    for row in TABLE:
        if row.first <= api <= row.last:
            return row
    known = ", ".join(f"{row.name} (API {row.first} to {row.last})" for row in TABLE)
    raise Refused(f"API level {api} is of a generation of build.sh that is not known", where=tree / VERSION_FILE,
                  hint=f"known: {known}")


def above(folder: Path) -> Path | None:
    """The tree that a folder lies in, such as third_party/kiln; None if it lies in none."""
    for root in folder.resolve().parents:
        if (root / VERSION_FILE).is_file() and (root / ".gn").is_file() and (root / "build.sh").is_file():
            return root
    return None


def named(name: str) -> Generation:
    """The row of that name."""
    return next(row for row in TABLE if row.name == name)


def version(tree: Path) -> str:
    """sdk_version of a tree, such as 5.1.0.108."""
    return _said(tree, _SDK, "sdk_version")


def argv(row: Generation, product: str, targets: Sequence[str], abi: str, jobs: int) -> list[str]:
    """The command that builds `targets`, run in the root of the tree.

    Raises Refused for a name that build.sh would take for a flag, or that this generation would split or fill in.
    """
    for name in (product, *targets):
        if _FLAG.match(name) or (row.splits and _SPLIT.search(name)):
            raise Refused(f"build.sh of {row.name} would not get {name!r} as one name", hint="names have no spaces, no * ? [ and no - in front")
    asked = [word for target in targets for word in ("--build-target", target)]
    bound = [row.jobs.format(jobs)] if row.jobs else []
    return ["./build.sh", "--product-name", product, *asked, "--target-cpu", CPUS[abi], *bound, *row.flags]


def _said(tree: Path, pattern: re.Pattern[str], key: str) -> str:
    file = tree / VERSION_FILE
    try:
        found = pattern.search(file.read_text(errors="replace"))
    except OSError as error:
        raise Refused("is not an OpenHarmony tree: it has no build/version.gni", where=tree) from error
    if found is None:
        raise Refused(f"says no {key}", where=file, hint="repo sync -c build brings it back")
    return found[1]
