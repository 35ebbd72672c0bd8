# SPDX-License-Identifier: Apache-2.0
"""The arguments that build.sh takes from 4.0 on: unknown flags vanish silently, bad choices end with argparse's usage text."""

from __future__ import annotations

import argparse

CHOICES = {
    "target-cpu": ("arm", "arm64", "x86_64", "x64", "mipsel", "riscv64", "loongarch64"),
    "target-os": ("android", "ios"),
    "build-variant": ("user", "root"),
    "build-type": ("debug", "release", "profile"),
    "log-level": ("info", "debug"),
    "log-mode": ("normal", "silent"),
}
DEFAULTS = {"target-cpu": "arm", "build-variant": "root", "build-type": "release", "log-level": "info", "log-mode": "normal"}
LISTS = ("build-target", "gn-args", "gn-flags", "ninja-args")
BOOLS = {"ccache": True, "fast-rebuild": False, "build-only-gn": False, "keep-ninja-going": False, "full-compilation": False,
         "rename-last-log": True}
SHORT = {"product-name": "-p", "build-target": "-T", "full-compilation": "-f"}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="main.py build", allow_abbrev=False)
    for name in ("product-name", "jobs"):
        made.add_argument(*_names(name), default="")
    for name, choices in CHOICES.items():
        made.add_argument(f"--{name}", choices=choices, default=DEFAULTS.get(name, ""))
    for name in LISTS:
        made.add_argument(*_names(name), nargs="*", action="append", default=[])
    for name, default in BOOLS.items():
        made.add_argument(*_names(name), nargs="?", const=True, default=default, type=_true)
    return made


def parse(argv: list[str]) -> argparse.Namespace:
    """The known arguments; several words and repeated flags are one list without doubles."""
    args, _ = parser().parse_known_args(argv)
    for name in LISTS:
        attribute = name.replace("-", "_")
        setattr(args, attribute, list(dict.fromkeys(word for words in getattr(args, attribute) for word in words)))
    return args


def gn_values(words: list[str]) -> dict[str, object]:
    """`k=v` words as gn values. Raises ValueError naming the word that has not exactly one `=`."""
    made: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or "=" in value:
            raise ValueError(word)
        made[name] = value == "true" if value in ("true", "false") else int(value) if value.isdigit() else value.strip('"')
    return made


def _names(name: str) -> list[str]:
    return [f"--{name}", SHORT[name]] if name in SHORT else [f"--{name}"]


def _true(text: str) -> bool:
    return text.lower() not in ("false", "0", "no")
