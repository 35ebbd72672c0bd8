# SPDX-License-Identifier: Apache-2.0
"""The arguments that hb takes (4.0 on): unknown flags vanish silently, bad choices end with argparse's usage text."""

from __future__ import annotations

import argparse

from generation import since

CPUS = ("arm", "arm64", "x86_64", "x64", *(("mipsel", "riscv64", "loongarch64") if since("5.0") else ()))
CHOICES = {"target-cpu": CPUS, "target-os": ("android", "ios"), "build-variant": ("user", "root"),
           "build-type": ("debug", "release", "profile"), "log-level": ("info", "debug")}
DEFAULTS = {"target-cpu": "arm", "build-variant": "root", "build-type": "release", "log-level": "info"}
WORDS = ("product-name", "jobs", "build-platform-name", "device-type", "export-para", "compiler")
LISTS = ("build-target", "gn-args", "gn-flags", "ninja-args")
# A bare switch is true, and swallows the word that follows it.
BOOLS = {"ccache": True, "fast-rebuild": False, "build-only-gn": False, "keep-ninja-going": False, "full-compilation": False,
         "rename-last-log": True, "archive-image": False, "generate-ninja-trace": True, "deps-guard": True, "stat-ccache": True,
         "disable-package-image": False}
if since("4.1"):
    CHOICES["log-mode"], DEFAULTS["log-mode"] = ("normal", "silent"), "normal"
    BOOLS["build-only-load"] = False
if since("6.1"):
    BOOLS |= {"prebuilt-sdk": False, "no-prebuilt-sdk": False}
SHORT = {"product-name": "-p", "build-target": "-T", "full-compilation": "-f"}
DEPRECATED = ("jobs", "export-para", "compiler", "disable-package-image")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="main.py build", allow_abbrev=False)
    for name in WORDS:
        made.add_argument(*_names(name), default="")
    for name, choices in CHOICES.items():
        made.add_argument(f"--{name}", choices=choices, default=DEFAULTS.get(name, ""))
    for name in LISTS:
        made.add_argument(*_names(name), nargs="*", action="append", default=[])
    for name, default in BOOLS.items():
        made.add_argument(*_names(name), nargs="?", const=True, default=default, type=_true)
    return made


def parse(argv: list[str]) -> argparse.Namespace:
    """The known arguments. Several words and repeated flags are one set, so their order is lost: here it is turned round."""
    args, _ = parser().parse_known_args(argv)
    args.log_mode, args.build_only_load = getattr(args, "log_mode", "normal"), getattr(args, "build_only_load", False)
    for name in LISTS:
        attribute = name.replace("-", "_")
        words = list(dict.fromkeys(word for words in getattr(args, attribute) for word in words))
        setattr(args, attribute, words[::-1])
    args.deprecated = [name for name in DEPRECATED if getattr(args, name.replace("-", "_"))]
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
