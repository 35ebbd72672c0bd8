# SPDX-License-Identifier: Apache-2.0
"""gn and ninja as hb runs them: their lines into build.log, progress to the console, failures as OpenHarmony's codes."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from console import Console, OhosError, put_aside
from generation import NAME, since

BIN = Path("prebuilts/build-tools/linux-x86/bin").absolute()
_STEP = re.compile(r"\[\d+/\d+\]")


def gn(out: Path, values: dict[str, object], flags: list[str], console: Console) -> None:
    """`gn gen` of the whole product. Raises OhosError 3000 with gn's own words before it."""
    words = " ".join(f"{name}={_gn(value)}" for name, value in sorted(values.items()))
    argv = [str(BIN / "gn"), "gen", f"--args={words}", "-C", str(out), *flags]
    console.say(f'Excuting gn command: {" ".join(argv)}', "GN", error_stream=True)
    code, lines = _run(argv, console, lambda line: console.say(line, "GN"))
    if code:
        _failed(argv, code, lines, console, "GN", out)
        raise OhosError("3000", _reason("GN", out), "GN", lines[0] if lines else "")


def ninja(out: Path, targets: list[str], flags: list[str], console: Console, verbose: bool = False) -> None:
    """ninja for the targets. Raises OhosError 4000 (something failed), 4015 (unknown target) or 4016 (missing file)."""
    argv = [str(BIN / "ninja"), "-w", "dupbuild=warn", "-C", str(out), *(["-v"] if verbose else []), *flags, *targets]
    console.say(f'Excuting ninja command: {" ".join(argv)}', "NINJA", error_stream=True)

    def each(line: str) -> None:
        if _STEP.match(line):
            console.step(line, "NINJA")
        elif not console.filters:
            console.say(line, "NINJA")

    code, lines = _run(argv, console, each)
    if not code:
        return
    excerpt = _excerpt(lines)
    if since("4.1"):                              # 4.0 shows an error.log if one is there, and writes none
        put_aside(out / "error.log")
        (out / "error.log").write_text("\n".join(excerpt) + "\n")
    _failed(argv, code, excerpt, console, "NINJA", out)
    told = "\n".join(excerpt)
    number = "4015" if "unknown target" in told else "4016" if "missing and no known rule" in told else "4000"
    what = "COMPILE" if "FAILED:" in told else "NINJA"
    raise OhosError(number if since("4.1") else "4000", _reason(what, out), what)


def _reason(what: str, out: Path) -> str:
    """3.2 and 4.0 know of no error.log."""
    if not since("4.1"):
        return f"{what} Failed! Please check build log in {out}/build.log"
    return f"{what} Failed! Please check error in {out}/error.log, and for more build information in {out}/build.log"


def _run(argv: list[str], console: Console, each: Callable[[str], object]) -> tuple[int, list[str]]:
    if NAME == "5.0":
        console.say("start run hpm command")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as child:
        lines = []
        for line in child.stdout:
            lines.append(line.rstrip("\n"))
            console.raw(lines[-1])
            each(lines[-1])
    if NAME == "5.0":
        console.say("end hpm command")
    return child.returncode, lines


def _excerpt(lines: list[str]) -> list[str]:
    """From each FAILED line up to the next step; without one, ninja's own words."""
    kept, inside = [], False
    for line in lines:
        inside = line.startswith("FAILED:") or (inside and not _STEP.match(line))
        if inside or line.startswith("ninja: "):
            kept.append(line)
    return kept


def _failed(argv: list[str], code: int, lines: list[str], console: Console, stage: str, out: Path) -> None:
    console.say(f'command failed: "{" ".join(argv)}" , ret_code: {code}', stage, "ERROR")
    if not since("4.1") and stage == "NINJA":     # what is in build.log stays there: 4.0 echoes an error.log, however old
        lines = (out / "error.log").read_text().splitlines() if (out / "error.log").is_file() else []
    for line in lines:
        console.say(line, stage, "ERROR")
    if since("5.1"):
        free = shutil.disk_usage(out if out.is_dir() else Path()).free >> 30
        console.say(f"Monitor: disk free {free} GiB")


def _gn(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
