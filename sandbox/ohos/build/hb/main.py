# SPDX-License-Identifier: Apache-2.0
"""Stand-in for OpenHarmony's hb: product, parts, gn, ninja. Exit code 0, or 255 for a failed build, or argparse's 2."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from pathlib import Path

import arguments
import load
import tools
from console import Console, OhosError

CLANG = Path("prebuilts/clang/ohos/linux-x86_64/llvm/bin/clang")
CPUS = {"arm", "arm64", "x86_64"}


def main(argv: list[str]) -> int:
    args = arguments.parse(argv)
    console = Console()
    began = time.monotonic()
    held = load.hold_arguments(argv)
    try:
        build(args, console)
        console.say(f"{args.product_name} build success")
        console.say(f"Cost Time:  0:{time.strftime('%M:%S', time.gmtime(time.monotonic() - began))}")
        return 0
    except OhosError as error:
        for line in error.lines:
            console.say(line, level="ERROR")
        return 255
    except KeyboardInterrupt:
        print("User abort", file=sys.stderr)
        return 255
    finally:
        held.unlink(missing_ok=True)


def build(args: Namespace, console: Console) -> None:
    """All phases. Raises OhosError at the first that fails."""
    config = load.product(args.product_name)
    if args.target_cpu != "arm":     # the default cannot override a product that says arm64
        config["target_cpu"] = args.target_cpu
    if not CLANG.exists():
        raise OhosError("0001", "There is no clang executable file at out/llvm-install")
    out = Path("out") / str(config["board"])
    console.open(out / "build.log", args.rename_last_log)
    if args.jobs:
        console.say('compile option "jobs" will be deprecated', level="WARNING")
    if not args.fast_rebuild:
        _prepare(args, config, out, console)
    if not args.build_only_gn:
        began = time.monotonic()
        flags = [*args.ninja_args, *(["-k1000000"] if args.keep_ninja_going else [])]
        tools.ninja(out, args.build_target or ["images"], flags, console)
        console.say(f"The run time for _ninja is {time.monotonic() - began:.1f} s", "NINJA")


def _prepare(args: Namespace, config: dict[str, object], out: Path, console: Console) -> None:
    console.say(f"Set cache size, product {config['product_name']}, board {config['board']}", "PRELOAD")
    loaded = load.parts(config, console)
    load.write_state(config, loaded, out)
    try:
        given = arguments.gn_values(args.gn_args)
    except ValueError as error:
        raise OhosError("0001", f"Invalid gn args: {error}") from error
    values = {"product_name": config["product_name"], "device_name": config["board"], "target_cpu": config["target_cpu"],
              "is_debug": args.build_type == "debug", "build_variant": args.build_variant,
              "source_date_epoch": int(os.environ.get("SOURCE_DATE_EPOCH") or time.time()), **given}
    tools.gn(out, values, args.gn_flags, console)


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
