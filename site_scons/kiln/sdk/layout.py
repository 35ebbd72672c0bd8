# SPDX-License-Identifier: Apache-2.0
"""The folders of the SDK: wrappers, toolchain file and headers, copied out of the template and the wheel."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kiln.sdk.target import Target

_TOOLS = ("ld.lld", "llvm-ar", "llvm-ranlib")
_PATCHED = "/* zig patch: instead of including __config_site, zig adds -D flags when compiling */"


def lay(wheel: Path, template: Path, target: Target, root: Path, version: str) -> None:
    """Lay out everything that needs no compiler."""
    _wrappers(template, target, root, version)
    for name in ("oh-uni-package.json", "build/cmake/ohos.toolchain.cmake", "build/cmake/Platform/OHOS.cmake"):
        _put(template / name, root / name)
    (root / "zig.path").write_text(os.path.relpath(wheel / "zig", root.resolve()) + "\n")
    resource = root / "llvm/lib/clang" / version
    _merge(wheel / "lib/include", resource / "include")
    _headers(wheel / "lib/libc/include", target, root / "sysroot/usr/include")
    _cxx_headers(wheel / "lib", template, root / "llvm/include")
    for name in ("libc/musl/COPYRIGHT", "libcxx/LICENSE.TXT", "libcxxabi/LICENSE.TXT", "libunwind/LICENSE.TXT"):
        _put(wheel / "lib" / name, root / "licenses" / name.replace("/", "-"))
    _put(wheel / "LICENSE", root / "licenses/zig-LICENSE")


def _wrappers(template: Path, target: Target, root: Path, version: str) -> None:
    """clang under its names, and the tools; executable whatever the mode of the template's file in a wheel of ours is."""
    source, folder = template / "llvm/bin", root / "llvm/bin"
    folder.mkdir(parents=True)
    clang = (source / "clang").read_text()
    for word, value in (("@FLAGS@", " ".join(target.flags)), ("@VERSION@", version), ("@TRIPLE@", target.triple)):
        clang = clang.replace(word, value)
    named = f"{target.processor}-unknown-linux-ohos-"
    for name in ("clang", "clang++", f"{named}clang", f"{named}clang++"):
        _program(folder / name, clang)
    for name in _TOOLS:
        _program(folder / name, (source / "tool").read_text())


def _program(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


def _headers(include: Path, target: Target, into: Path) -> None:
    """musl's headers and the kernel's; those of the architecture lie in the triple's own folder, which clang reads first."""
    for source in (target.headers, target.linux):
        _merge(include / source, into / target.triple)
    for source in ("generic-musl", "any-linux-any"):
        _merge(include / source, into)


def _cxx_headers(lib: Path, template: Path, into: Path) -> None:
    """libc++'s headers, with the configuration header that zig took out put back."""
    headers = into / "c++/v1"
    _merge(lib / "libcxx/include", headers)
    _merge(lib / "libcxxabi/include", headers)
    for file in (headers / "__config", *sorted((headers / "__configuration").glob("*.h"))):
        text = file.read_text()
        file.write_text(text.replace(_PATCHED, "#include <__config_site>"))
    _put(template / "llvm/include/c++/v1/__config_site", headers / "__config_site")


def _merge(source: Path, into: Path) -> None:
    """Copy a folder into another; a file that is there already stays."""
    for file in sorted(source.rglob("*")):
        if file.is_file() and not (into / file.relative_to(source)).exists():
            _put(file, into / file.relative_to(source))


def _put(source: Path, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, file)
