# SPDX-License-Identifier: Apache-2.0
"""Lays the modules of one image into packages/phone/<image>, anew each time."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("modules", "into", "stamp"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    rows = json.loads(args.modules.read_text())
    shutil.rmtree(args.into, ignore_errors=True)
    args.into.mkdir(parents=True)
    for row in rows:
        file = args.into / row["to"]
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(row["from"], file)
        for link in row["links"]:
            file.with_name(link).symlink_to(file.name)
    (args.into.parent / f"{args.into.name}_install_modules.json").write_text(json.dumps(rows, indent=1) + "\n")
    args.stamp.parent.mkdir(parents=True, exist_ok=True)
    args.stamp.touch()


if __name__ == "__main__":
    main()
