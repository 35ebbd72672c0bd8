# SPDX-License-Identifier: Apache-2.0
"""Stand-in for the front of 3.2: optparse, so an unknown flag ends the build; some that it knows do nothing. Then hb, as the real
one calls build.py. Later generations keep it behind the word using_hb_new=false."""

from __future__ import annotations

import subprocess
import sys
from optparse import OptionParser
from pathlib import Path

WORDS = ("product-name", "device-name", "target-cpu", "target-os", "compile-config", "build-type", "build-variant", "log-level", "jobs",
         "share-ccache", "source-root-dir", "device-type")
LISTS = ("build-target", "gn-args", "ninja-args", "gn-flags")
SWITCHES = ("ccache", "keep-ninja-going", "sparse-image", "disable-package-image", "disable-post-build", "build-only-gn", "fast-rebuild",
            "verbose")
KEPT = ("product-name", "target-cpu", "build-type", "build-variant", "log-level", "jobs", "keep-ninja-going", "build-only-gn", "fast-rebuild")


def main(argv: list[str]) -> int:
    parser = OptionParser(prog="entry.py")
    for name in WORDS:
        parser.add_option(f"--{name}", default="")
    for name in LISTS:
        parser.add_option(f"--{name}", action="append", default=[])
    for name in SWITCHES:
        parser.add_option(*(["-v"] if name == "verbose" else []), f"--{name}", action="store_true", default=False)
    found, rest = parser.parse_args([word for word in argv if not word.lstrip("-").startswith("using_hb_new")])
    values = vars(found)
    words = [f"--{name}={_text(values[name.replace('-', '_')])}" for name in KEPT if values[name.replace("-", "_")]]
    # ninja-args are taken and dropped: they only give a warning.
    words += [f"--{name}={each}" for name in ("build-target", "gn-args", "gn-flags") for each in values[name.replace("-", "_")]]
    words += ["--gn-args=sparse_image=true"] if found.sparse_image else []
    if found.ninja_args:
        print('[OHOS WARNING] compile option "ninja-args" will be deprecated', file=sys.stderr)
    hb = Path(__file__).resolve().parent.parent / "hb" / "main.py"
    packed = [] if found.disable_package_image else ["--archive-image"]
    return 1 if subprocess.run([sys.executable, str(hb), "build", *words, *packed], check=False).returncode else 0


def _text(value: object) -> str:
    return "true" if value is True else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
