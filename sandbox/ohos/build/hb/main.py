# SPDX-License-Identifier: Apache-2.0
"""Stand-in for OpenHarmony's hb: product, parts, gn, ninja. Exit code 0, or 255 for a failed build, or argparse's 2."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from argparse import Namespace
from pathlib import Path

import arguments
import load
import tools
from console import Console, OhosError
from generation import since

ROOT = Path(__file__).resolve().parent.parent.parent
CLANG = Path("prebuilts/clang/ohos/linux-x86_64/llvm/bin/clang")     # from the current folder: hb must be started in the root


def main(argv: list[str]) -> int:
    args = arguments.parse(argv)
    console = Console(args.log_mode)
    began = time.monotonic()
    held = load.hold_arguments(argv)
    try:
        build(args, console)
        console.say(f"{args.product_name} build success")
        console.say(f"Cost Time:  0:{time.strftime('%M:%S', time.gmtime(time.monotonic() - began))}")
        return 0
    except OhosError as error:
        _failed(console, error)
    except TypeError as error:                   # an inherited file whose subsystems are null ends the real one so
        _failed(console, OhosError("0000", str(error)))
    except KeyboardInterrupt:
        print("User abort", file=sys.stderr)
    finally:
        held.unlink(missing_ok=True)
    return 255


def build(args: Namespace, console: Console) -> None:
    """All phases. Raises OhosError at the first that fails."""
    args.product_name = args.product_name or _last()
    console.open(Path("out/build.log"), args.rename_last_log)
    config = load.product(ROOT, args.product_name)
    if args.target_cpu != "arm":     # the default cannot override a product that says arm64
        config["target_cpu"] = args.target_cpu
    if not CLANG.exists():
        raise OhosError("0001", "There is no clang executable file at out/llvm-install")
    guard = Path("developtools/integration_verification/tools/deps_guard")
    if args.deps_guard and not guard.is_dir():
        raise OhosError("0000", f"No such file or directory: '{guard}'")
    if since("6.1") and args.prebuilt_sdk and not args.no_prebuilt_sdk and not Path("prebuilts/ohos-sdk/linux").is_dir():
        console.say("ohos-sdk build failed!", "PREBUILD", "ERROR")          # only logged: the build goes on
    out = Path(str(config.get("build_out_path") or f"out/{config['board']}"))
    console.open(out / "build.log", args.rename_last_log)
    for name in args.deprecated:
        console.say(f'compile option "{name}" will be deprecated', level="WARNING")
    if not args.fast_rebuild:
        _prepare(args, config, out, console)
    if args.build_only_load:
        return
    targets = args.build_target or ["images"]
    if not args.build_only_gn:
        began = time.monotonic()
        flags = [*args.ninja_args, *(["-k1000000"] if args.keep_ninja_going else [])]
        tools.ninja(out, targets, flags, console, args.log_level == "debug")
        console.say(f"The run time for _ninja is {time.monotonic() - began:.1f} s", "NINJA")
    if args.generate_ninja_trace and not (out / ".ninja_log").is_file():
        console.say(".ninja_log not exists\nparse file fail", "POSTBUILD")
    if args.archive_image and "images" in targets:
        load.archive(out)


def _prepare(args: Namespace, config: dict[str, object], out: Path, console: Console) -> None:
    console.say(f"Set cache size, product {config['product_name']}, board {config['board']}", "PRELOAD")
    console.say(f"loader args: platforms={config['board']}", "LOAD", error_stream=True)
    loaded = load.parts(config, console)
    load.write_state(config, loaded, out, console)
    if args.build_only_load:
        return
    try:
        given = arguments.gn_values(args.gn_args)
    except ValueError as error:
        raise OhosError("0001", f"Invalid gn args: {error}") from error
    values = {"product_name": config["product_name"], "device_name": config["board"], "target_cpu": config["target_cpu"],
              "is_debug": args.build_type == "debug", "build_variant": args.build_variant,
              "source_date_epoch": int(os.environ.get("SOURCE_DATE_EPOCH") or time.time()), **given}
    tools.gn(out, values, [*args.gn_flags, *(["-v"] if args.log_level == "debug" else [])], console)


def _last() -> str:
    """The product of the last build in this tree: hb asks for none."""
    try:
        return str(json.loads(Path("out/ohos_config.json").read_text())["product"])
    except (OSError, ValueError, KeyError):
        return ""


def _failed(console: Console, error: OhosError) -> None:
    """The traceback that ends every failure of the real one, with its exception's name, and its block."""
    if since("4.1"):
        for line in "".join(traceback.format_exception(error, chain=False)[:-1]).splitlines():
            console.say(line, level="ERROR")
        console.say(f"exceptions.ohos_exception.OHOSException: {error.reason}", level="ERROR")
    for line in error.lines:
        console.say(line, level="ERROR")


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
