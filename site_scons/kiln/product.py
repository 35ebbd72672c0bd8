# SPDX-License-Identifier: Apache-2.0
"""What is to be made: `products/<name>.yaml` as one frozen value. Nobody reads YAML after it, nobody changes it."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kiln import share, spec
from kiln.errors import Refused, SpecError, known
from kiln.spec import AUTO, Auto, AutoSize, Size

Abi = Literal["arm64-v8a", "armeabi-v7a", "x86_64"]
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_WORD = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")


@dataclass(frozen=True)
class Board:
    """The device: how it is reached, what its processor takes, how much memory (bytes) and storage it has.

    `keeps` of the memory are the system's (0: half, at most 1 GiB); `bandwidth` is that of the memory in MB/s, 0 if nobody knows.
    """

    transport: str
    abi: Abi
    march: str
    ram: Size
    emmc: Size
    cpus: int = 2
    keeps: Size = Size(0)
    bandwidth: int = 0
    kernel: str = ""                   # virt: the pin of the kernel that boots
    loader: str = ""                   # virt: the pin of the C library that runs shared programs


@dataclass(frozen=True)
class Base:
    """Where the partition images come from: a pinned archive, or the miniature tree of the sandbox."""

    pin: str = ""
    sandbox: str = ""

    def __post_init__(self) -> None:
        if bool(self.pin) == bool(self.sandbox):
            raise SpecError("base wants either pin or sandbox")


@dataclass(frozen=True)
class System:
    """What OpenHarmony's own build.sh makes: product name and targets; `abi` is the userland's, where it is not the board's."""

    name: str
    targets: tuple[str, ...]
    tree: str = ""
    abi: Abi | None = None


@dataclass(frozen=True)
class Native:
    """One native target: a pin or a path of ours, the CMake targets wanted, where they go on the board."""

    install: str
    pin: str = ""
    path: str = ""
    targets: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    # auto: shared where the base's userland has board.abi, else static, since a program of another ABI finds no loader there
    linkage: Literal["auto", "shared", "static"] = "auto"

    def __post_init__(self) -> None:
        if bool(self.pin) == bool(self.path):
            raise SpecError("a native target wants either pin or path")
        if self.path and (not self.path.startswith("native/") or ".." in Path(self.path).parts):
            raise SpecError(f"path {self.path!r} of a native target is not below native/")
        if self.install and not self.install.startswith("/") or ".." in Path(self.install).parts:
            raise SpecError(f"install {self.install!r} of a native target must be an absolute folder of the board")


@dataclass(frozen=True)
class Model:
    """The model: a pin or a path below our data, how it is quantized, the context (tokens of each slot) and KV cache type; auto:
    what the board's memory takes. `speed` (tokens/s) is the least that the memory's bandwidth must allow.

    For the recipes that are measured (auto, prune): the texts that they are measured on and judged by, the largest file
    (bytes; 0: what the board's memory and partition take), and how many layers `prune` leaves out.
    """

    recipe: str
    context: Auto = Auto(AUTO)
    pin: str = ""
    path: str = ""
    kv: Literal["auto", "f16", "q8_0", "q4_0"] = "auto"
    speed: int = 0
    card: str = ""
    calibration: str = ""
    heldout: str = ""
    size: Size = Size(0)
    drop: int = 0


@dataclass(frozen=True)
class Image:
    """The image: `epoch` (seconds, UTC) is the only time in it; `model_in` is a partition or auto."""

    epoch: int
    formats: tuple[str, ...]
    model_in: Literal["auto", "vendor", "model"] = "auto"


@dataclass(frozen=True)
class Service:
    """The server on the board. `kv`: each slot has a cache of its own, or all share one (auto: the first that fits)."""

    name: str
    host: str = "127.0.0.1"
    port: int = 8080
    threads: int = 4
    slots: int = 1
    kv: Literal["auto", "slots", "unified"] = "auto"
    prompt_cache: AutoSize = AutoSize(AUTO)     # memory for old prompts, so that a conversation that comes back is not read again
    api_key_file: str = ""
    start: Literal["boot", "normal", "condition"] = "normal"
    importance: int = 0                # nice, -20..19
    cores: tuple[int, ...] = ()        # the processors it may run on; none: all
    secon: str = "u:r:su:s0"           # the domain that default (root) builds have; without one all files are denied
    env: dict[str, str] = field(default_factory=dict)   # variables of ggml and its backends; the server's settings have keys of their own

    def __post_init__(self) -> None:
        try:
            local = ipaddress.ip_address(self.host).is_loopback
        except ValueError as error:
            raise SpecError(f"service.host {self.host!r} is not an address") from error
        if not local and not self.api_key_file:
            raise SpecError(f"service.host {self.host} is open to the network", hint="set service.api_key_file, or host: 127.0.0.1")
        if not _WORD.fullmatch(self.name):
            raise SpecError(f"service.name {self.name!r} must be a lower-case word of at most 32 characters")
        if not 1 <= self.port <= 65535 or not 1 <= self.threads <= 64 or not 1 <= self.slots <= 64:
            raise SpecError("service.port, threads or slots is out of range")
        for name in self.env:
            if not _VARIABLE.fullmatch(name) or name.startswith(("LLAMA_", "LD_")) or name in ("GGML_BACKEND_PATH", "PATH"):
                raise SpecError(f"service.env cannot set {name!r}", hint="LLAMA_* and GGML_BACKEND_PATH follow from other keys of the product")
        if not -20 <= self.importance <= 19 or not all(0 <= core < 64 for core in self.cores):
            raise SpecError("service.importance must be -20..19 and service.cores 0..63")


@dataclass(frozen=True)
class Check:
    """What `check` asks: card ids on which the unquantized model is surest, one more drawn by `seed`."""

    min_correct: int
    ask: tuple[str, ...] = ()
    seed: int = 0                      # 0: drawn anew each run
    boot_timeout: int = 60             # seconds


@dataclass(frozen=True)
class Product:
    """Everything that a build knows. Made once, by load()."""

    board: Board
    sdk: str
    base: Base
    system: System
    native: dict[str, Native]
    model: Model
    image: Image
    service: Service
    check: Check
    name: str = field(default="", metadata={"yaml": False})

    @property
    def userland(self) -> Abi:
        """The ABI that a tree is built for: stock images of the DAYU200 are 32-bit, though its kernel runs arm64 programs."""
        return self.system.abi or self.board.abi

    def linked(self, native: Native, userland: str) -> tuple[str, str]:
        """How a native target is linked on a base with this userland, shared or static, and why."""
        if native.linkage != "auto":
            return native.linkage, "the product says so"
        if userland == self.board.abi:
            return "shared", f"userland and programs are {userland}: backends are libraries that the server loads"
        return "static", f"the userland is {userland}, the board runs {self.board.abi} too: no library of ours would be loaded, and no backend but the CPU's"

    def __post_init__(self) -> None:
        above: list[str] = []
        for name, native in self.native.items():
            for need in native.needs:
                if need not in above:
                    raise SpecError(f"native target {name} needs {need!r}, which does not stand above it", hint=known(need, above))
            above.append(name)


def names(folder: Path | None = None) -> tuple[str, ...]:
    """All products, sorted."""
    files = (folder or share.folder("products")).glob("*.yaml")
    return tuple(sorted(file.stem for file in files))


def load(name: str, folder: Path | None = None) -> Product:
    """The product of that name. Raises Refused for an unknown name, SpecError with file:line for a bad file."""
    folder = folder or share.folder("products")
    if name not in names(folder):
        raise Refused(f"unknown product {name!r}", hint=known(name, names(folder)))
    made = spec.read(folder / f"{name}.yaml", Product, shown=f"products/{name}.yaml")
    return dataclasses.replace(made, name=name)


def canonical(value: Any) -> str:
    """A slice of the configuration as canonical JSON: the same text for the same value, whatever the YAML looked like."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=dataclasses.asdict)
