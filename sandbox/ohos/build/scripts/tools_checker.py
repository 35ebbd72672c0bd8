# SPDX-License-Identifier: Apache-2.0
"""Stand-in for the check of the host: a warning where the system is none of those known; nobody looks at how it ends."""

from __future__ import annotations

from pathlib import Path

KNOWN = ("18.04", "20.04", "22.04", "24.04")


def main() -> None:
    try:
        said = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    except OSError:
        said = {}
    name, version = said.get("NAME", "?").strip('"').split()[0], said.get("VERSION_ID", "").strip('"')
    if name != "Ubuntu" or version not in KNOWN:
        print(f"\033[33m[OHOS WARNING] OS {name} is not supported for ohos build.\033[0m")


if __name__ == "__main__":
    main()
