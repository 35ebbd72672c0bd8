# SPDX-License-Identifier: Apache-2.0
"""rockusb: a Rockchip board in Loader mode, reached through rkdeveloptool, whose words decide and not its exit code.

`ld` is content with a board that runs its normal system and calls it Maskrom, so the USB identity is asked first. Of the
tool's commands only `-v ld ppt wlx rl rd` can be said here: nothing of ours erases, or writes a table or a boot loader.
Outputs as recorded on real boards with rkdeveloptool 1.32, and as its source has them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln import run
from kiln.errors import BoardError, ProgramError, Refused, one_line
from kiln.results import LOADER, Written

TOOL, VERSION = "rkdeveloptool", "rkdeveloptool ver 1.32"    # whose words are known
MODE = "hold VOL/RECOVERY, press and release RESET, let go after 3 s; or, from the running system: hdc shell reboot loader"
_DEVICE = re.compile(r"DevNo=\d{1,3}\s+Vid=0x([0-9a-fA-F]{4}),Pid=0x([0-9a-fA-F]{4}),LocationID=[0-9a-fA-F]{1,8}\s+(\w{1,16})")
_ROW = re.compile(r"(\d{2,3})\s+([0-9a-fA-F]{8,16})\s+(\S{1,36})")
_WROTE = re.compile(r"Write LBA from file \((\d{1,3})%\)")
_BEFORE = ("No found ", "can't open file", "Not found any partition table", "comm object failed", "Did not find any rockusb",
           "Found too many rockusb", "does not support this operation")
_HINTS = {"comm object failed": f"install {TOOL}'s udev rules, or plug the board in again",
          "LIBUSB_ERROR_ACCESS": f"install {TOOL}'s udev rules, or run as root",
          "Did not find any rockusb": f"plug the board in, in Loader mode: {MODE}",
          "Found too many rockusb": "leave one Rockchip device plugged in",
          "does not support this operation": f"Loader mode: {MODE}"}


def new_table(parameter: Path) -> tuple[str, ...]:
    """How a person gives a board the table of a parameter.txt. We never do: the tool writes it in Maskrom mode only.

    The loader lies beside the table, where the base has one.
    """
    beside = parameter.with_name(LOADER)
    loader = shlex.quote(str(beside)) if beside.is_file() else f"{LOADER} (of the base)"
    return (f"hold the MaskRom key, press and release RESET; `{TOOL} ld` must end in Maskrom", f"{TOOL} db {loader}",
            f"{TOOL} gpt {shlex.quote(str(parameter))}", f"{TOOL} rd")


@dataclass(frozen=True)
class Rockusb:
    """The one board that is plugged in; the Writable of flash/. `may` are the partitions that may be written."""

    log: Path
    may: tuple[str, ...]

    def ready(self) -> None:
        """Raise BoardError unless the tool is the one whose words are known, and exactly one Rockchip device is plugged in: a board in Loader mode."""
        said, _ = self._said("-v", timeout=5)
        if said != (VERSION,):
            raise BoardError(f"{TOOL} calls itself {one_line(' '.join(said), 60) or 'nothing'!r}; nothing was written",
                             hint=f"what is understood here is {VERSION!r}, as Debian has it")
        lines, _ = self._said("ld")
        found = [] if lines == ("not found any devices!",) else [_DEVICE.fullmatch(line) for line in lines]
        if not lines or None in found:
            raise _odd(f"{TOOL} ld answers strangely", lines)
        devices = [(f"{one[1]}:{one[2]}".lower(), one[3]) for one in found if one]
        if len(devices) != 1:
            what = f"{len(devices)} Rockchip devices are plugged in" if devices else "no Rockchip device is plugged in"
            raise BoardError(f"{what}; nothing was written", hint=f"plug in the board to flash, alone, in Loader mode: {MODE}")
        who, mode = devices[0]
        if who != "2207:350a":
            raise BoardError(f"the board ({who}) is not in Loader mode, it runs a system; nothing was written", hint=MODE)
        if mode != "Loader":
            raise BoardError(f"the board is in {mode} mode, not in Loader mode; nothing was written", hint=MODE)

    def table(self) -> tuple[tuple[str, int], ...]:
        """The board's own partition table: (name, first sector) in its order. The tool tells no sizes."""
        lines, _ = self._said("ppt", keep=300)
        head = [line.strip("*").split() for line in lines[:2]]
        rows = [_ROW.fullmatch(line) for line in lines[2:]]
        found = [one for one in rows if one]
        if head != [["Partition", "Info(GPT)"], ["NO", "LBA", "Name"]] or not found:
            raise _odd("the board's partition table cannot be read", lines[:1])
        if None in rows:
            raise _odd("the board's partition table cannot be read", lines[2:][rows.index(None):][:1])
        if [int(one[1]) for one in found] != list(range(len(found))):
            raise BoardError("the board's partition table cannot be read: rows are missing", where=self.log)
        return tuple((one[3], int(one[2], 16)) for one in found)

    def write(self, name: str, file: Path, moved: Callable[[int], None]) -> Written:
        """Write a whole file into a partition; `moved` is called with the percentage. Never raises once it has begun."""
        if name not in self.may:
            raise Refused(f"partition {name} is never written")
        percents = [0]

        def line(text: str) -> None:
            if found := _WROTE.fullmatch(one_line(text)):
                percents.append(min(100, int(found[1])))
                moved(percents[-1])

        try:
            lines, code = self._said("wlx", name, str(file), line=line, timeout=None)
        except ProgramError:           # we were told to stop, and the tool with us
            return Written(percents[-1], "it was interrupted")
        told = _WROTE.fullmatch(lines[-1]) if lines else None
        if code == 0 and told and told[1] == "100":
            return Written(100)
        begun = len(percents) > 1 or not any(_in(mark, lines) for mark in _BEFORE)
        return Written(percents[-1], _last(lines), begun, _hint(lines))

    def read(self, start: int, sectors: int, into: Path) -> bytes:
        """So many sectors of the disk, through the file `into`. The recorded loader gives 0xCC from sector 65536 on."""
        into.unlink(missing_ok=True)
        lines, _ = self._said("rl", str(start), str(sectors), str(into), timeout=120)
        got = into.read_bytes() if into.is_file() else b""
        if len(got) != sectors * 512 or not lines or lines[-1] != "Read LBA to file (100%)":
            raise _odd("the board cannot be read", lines)
        return got

    def reset(self) -> bool:
        """Start the board; False if it did not confirm, which is no failure: it may have been gone already."""
        return self._said("rd")[0][-1:] == ("Reset Device OK.",)

    def _said(self, *words: str, keep: int = run.TAIL, line: Callable[[str], None] | None = None,
              timeout: float | None = 30) -> tuple[tuple[str, ...], int]:
        """The tool's lines, without escapes and empty ones, and its exit code. stdio holds lines for a pipe back, unless told."""
        done = run.run([run.find("stdbuf"), "-oL", run.find(TOOL), *words], log=self.log, ok=range(-64, 256), keep=keep, line=line, timeout=timeout)
        return tuple(text for raw in done.tail if (text := one_line(raw, 300))), done.code


def _in(mark: str, lines: Sequence[str]) -> bool:
    return any(mark.lower() in line.lower() for line in lines)


def _hint(lines: Sequence[str]) -> str:
    return next((hint for mark, hint in _HINTS.items() if _in(mark, lines)), "")


def _last(lines: Sequence[str]) -> str:
    """What the tool said at the end, progress aside."""
    return next((text for text in reversed(lines) if not _WROTE.fullmatch(text)), "the tool ended without a word")


def _odd(what: str, lines: Sequence[str]) -> BoardError:
    return BoardError(f"{what}: {_last(lines)}", hint=_hint(lines))
