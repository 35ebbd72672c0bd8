# SPDX-License-Identifier: Apache-2.0
"""The three ABIs: how the OHOS triple, zig and musl name each of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One ABI. `zig` and `cpu` are what `zig cc` calls it, `arch` is musl's folder, `linux` that of the kernel's headers.

    `processor` begins the names of the compilers that need no --target. `flags` are those that the toolchain file gives to every compilation; `stub` says which symbols of musl's list this
    architecture has.
    """

    abi: str
    triple: str
    processor: str
    zig: str
    cpu: str
    arch: str
    linux: str
    headers: str
    flags: tuple[str, ...]
    stub: tuple[str, ...]


TARGETS = {
    target.abi: target for target in (
        Target("arm64-v8a", "aarch64-linux-ohos", "aarch64", "aarch64-linux-musl", "generic", "aarch64", "aarch64-linux-any",
               "aarch64-linux-musl", (), ("ARCH_aarch64", "FAMILY_aarch64", "PTR64")),
        # softfp, as the 32-bit OpenHarmony: soft-float calls, FPU instructions. zig's musleabi has the same calls.
        Target("armeabi-v7a", "arm-linux-ohos", "armv7", "arm-linux-musleabi", "generic+v7a", "arm", "arm-linux-any",
               "arm-linux-musl", ("-march=armv7a", "-mfloat-abi=softfp", "-mfpu=neon-vfpv4"),
               ("ARCH_arm", "FAMILY_arm", "TIME32")),
        Target("x86_64", "x86_64-linux-ohos", "x86_64", "x86_64-linux-musl", "x86_64", "x86_64", "x86-linux-any",
               "x86_64-linux-musl", (), ("ARCH_x86_64", "FAMILY_x86", "PTR64")),
    )
}
