# SPDX-License-Identifier: Apache-2.0
"""Stand-in for `gn gen --args=... -C out/<board>`: reads the BUILD.gn files of the loaded parts, writes args.gn and build.ninja."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "hb"))

import grammar
from graph import Graph
from ninja_file import Ninja
from packaging_rules import package


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=("gen",))
    parser.add_argument("--args", default="")
    parser.add_argument("-C", dest="out", type=Path, required=True)
    args, _ = parser.parse_known_args(argv)
    began = time.monotonic()
    try:
        graph = generate(args.out, args.args)
    except (grammar.GnError, SystemExit) as error:
        print(error)
        return 1
    took = (time.monotonic() - began) * 1000
    print(f"Done. Made {len(graph.modules)} targets from {len(graph.files)} files in {took:.0f}ms")
    return 0


def generate(out: Path, words: str) -> Graph:
    """Write build.ninja and the install lists, each only if it changed: a null build is then null for ninja too."""
    values = arguments(words)
    values["root_build_dir"] = f"//{out}"
    values["product_output_dir"] = f"//{out}/packages"
    parts = json.loads((Path("out/preloader") / str(values["product_name"]) / "parts.json").read_text())
    ninja = Ninja(out, os.path.relpath(sys.executable, out), values)
    graph = Graph(parts, values, ninja)
    for name, part in parts.items():
        graph.part(name, part)
    package(graph, ninja)
    write(out / "args.gn", "".join(f"{word.replace('=', ' = ', 1)}\n" for word in words.split()))
    write(out / "build.ninja", ninja.text())
    return graph


def arguments(words: str) -> dict[str, object]:
    """`k=v` words of --args and the version file's own arguments."""
    given = " ".join(words.split())
    file = Path("build/version.gni")
    values: dict[str, object] = {}
    for word in given.split():
        name, _, value = word.partition("=")
        values[name] = value == "true" if value in ("true", "false") else int(value) if value.isdigit() else value.strip('"')
    reader = grammar._Reader(file, file.read_text())
    scope: dict[str, object] = {}
    reader.all(scope)
    return {**scope, **values}


def write(file: Path, text: str) -> None:
    if not file.is_file() or file.read_text() != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
