# SPDX-License-Identifier: Apache-2.0
"""Who owns what on the board: mode, owner and SELinux label by path, as OpenHarmony's own packaging gives them.

Modes and owners are those of its dac.txt, labels those of file_contexts (system/etc/selinux/targeted/contexts).
"""

from __future__ import annotations

from typing import NamedTuple


class Owner(NamedTuple):
    """Permission bits, user, group, SELinux label (without the trailing NUL that the image gets)."""

    mode: int
    uid: int
    gid: int
    label: str


_SHELL = 2000
# The longest prefix wins. (mode of a folder, mode of a file, gid, type)
_RULES: dict[str, tuple[int, int, int, str]] = {
    "/": (0o755, 0o644, 0, "rootfs"),
    "/system": (0o755, 0o644, 0, "system_file"),
    "/system/bin": (0o751, 0o755, _SHELL, "system_bin_file"),
    "/system/lib": (0o755, 0o644, 0, "system_lib_file"),
    "/system/lib64": (0o755, 0o644, 0, "system_lib_file"),
    "/system/etc": (0o755, 0o644, 0, "system_etc_file"),
    "/vendor": (0o755, 0o644, _SHELL, "vendor_file"),
    "/vendor/bin": (0o751, 0o755, _SHELL, "vendor_bin_file"),
    "/vendor/lib": (0o755, 0o644, _SHELL, "vendor_lib_file"),
    "/vendor/lib64": (0o755, 0o644, _SHELL, "vendor_lib_file"),
    "/vendor/etc": (0o755, 0o644, _SHELL, "vendor_etc_file"),
    "/mnt/model": (0o755, 0o644, _SHELL, "vendor_file"),
    "/sys_prod": (0o755, 0o644, 0, "sys_prod_file"),
    "/chip_prod": (0o755, 0o644, 0, "chip_prod_file"),
}


def folder(path: str) -> Owner:
    """A folder that we have to make."""
    mode, _, gid, kind = _rule(path)
    return Owner(mode, 0, gid, f"u:object_r:{kind}:s0")


def file(path: str) -> Owner:
    """A file that we write ourselves."""
    _, mode, _, kind = _rule(path)
    gid = _SHELL if path.startswith(("/vendor/bin/", "/system/bin/")) else 0
    return Owner(mode, 0, gid, f"u:object_r:{kind}:s0")


def _rule(path: str) -> tuple[int, int, int, str]:
    while path not in _RULES:
        path = path.rsplit("/", 1)[0] or "/"
    return _RULES[path]
