# SPDX-License-Identifier: Apache-2.0
"""build.ninja of what the SDK compiles itself: start files, the stub of libc, libunwind, libc++abi and libc++."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kiln.sdk.target import Target

# Tables of time zones and parallel algorithms are not in the ohos-sdk's libc++ either.
_CXX = ("*.cpp", "filesystem/*.cpp", "ryu/*.cpp")
_ABI_UNUSED = {"cxa_noexception.cpp"}      # for builds without exceptions
_CRT = ("crti", "crtn", "crtbegin", "crtbeginS", "crtbeginT", "crtend", "crtendS")
START = ("crt1.o", "Scrt1.o", "rcrt1.o", *(f"{name}.o" for name in _CRT))
LIBRARIES = ("libc++_shared.so", "libc++_static.a", "libc++abi.a", "libunwind.a")
_COMMON = "-O2 -g0 -ffunction-sections -fdata-sections -funwind-tables -fno-addrsig -w -DNDEBUG"


def ninja(wheel: Path, target: Target, root: Path, version: str) -> str:
    """The text of build.ninja for the SDK at `root`; its empty.c is an empty file."""
    lib = wheel / "lib"
    edges = [*_starts(lib), *_unwind(lib), *_cxx(lib)]
    return "\n".join([*_rules(lib, target, root, version), *edges]) + "\n"


def _rules(lib: Path, target: Target, root: Path, version: str) -> list[str]:
    bin_, base = root / "llvm/bin", " ".join((f"--target={target.triple}", *target.flags))
    common = f"{base} {_COMMON} -ffile-prefix-map={lib}=/sdk/src"
    musl, unwind = lib / "libc/musl", lib / "libunwind"
    start = (f"{common} -std=c99 -ffreestanding -fno-stack-protector -I{musl}/arch/{target.arch} -I{musl}/arch/generic "
             f"-I{musl}/src/include -I{musl}/src/internal")
    low = f"{common} -fPIC -D_LIBUNWIND_IS_NATIVE_ONLY -I{unwind}/include"
    high = (f"{common} -fPIC -std=c++23 -fvisibility-inlines-hidden -D_LIBCPP_BUILDING_LIBRARY -DLIBCXX_BUILDING_LIBCXXABI "
            f"-I{lib}/libcxx/src -I{lib}/libcxx/libc -I{lib}/libcxxabi/include -I{unwind}/include")
    commands = {
        "start": f"{bin_}/clang {start} $more -c $in -o $out",
        "stub": f"{bin_}/clang {base} {' '.join(f'-D{name}' for name in target.stub)} -c $in -o $out",
        "c": f"{bin_}/clang {low} -fexceptions -c $in -o $out",
        "lowcxx": f"{bin_}/clang++ {low} -std=c++17 -fno-exceptions -fno-rtti -c $in -o $out",
        "abi": f"{bin_}/clang++ {high} -D_LIBCXXABI_BUILDING_LIBRARY -c $in -o $out",
        "cxx": f"{bin_}/clang++ {high} -DLIBC_NAMESPACE=__llvm_libc_common_utils -c $in -o $out",
        "ar": f"{bin_}/llvm-ar rcsD $out $in",
        "libc": f"{bin_}/ld.lld -shared -s -soname libc.so --build-id=none $in -o $out",
        "link": f"{bin_}/clang++ {base} -shared -nostdlib -s -Wl,-soname,libc++_shared.so -Wl,--build-id=none "
                f"-Wl,--no-undefined -o $out $in {root}/llvm/lib/clang/{version}/lib/{target.triple}/libclang_rt.builtins.a",
    }
    return [f"rule {name}\n command = {command}" for name, command in commands.items()]


def _starts(lib: Path) -> list[str]:
    """musl's start files; the others of the OHOS driver's link line have nothing to do here and are empty."""
    crt = lib / "libc/musl/crt"
    edges = [f"build {name}.o: start {crt}/{name}.c\n more = {'-fno-PIC' if name == 'crt1' else '-fPIC'}"
             for name in ("crt1", "Scrt1", "rcrt1")]
    edges += [f"build {name}.o: start empty.c" for name in _CRT]
    return [*edges, f"build stub.o: stub {lib}/libc/musl/libc.S", "build libc.so: libc stub.o"]


def _unwind(lib: Path) -> list[str]:
    source = lib / "libunwind/src"
    names = ["libunwind.cpp", "Unwind-EHABI.cpp", "UnwindLevel1.c", "UnwindLevel1-gcc-ext.c", "UnwindRegistersRestore.S",
             "UnwindRegistersSave.S"]
    edges = [f"build unwind/{name}.o: {'lowcxx' if name.endswith('.cpp') else 'c'} {source}/{name}" for name in names]
    return [*edges, _list("libunwind.a: ar", "unwind", names)]


def _cxx(lib: Path) -> list[str]:
    abi = [file for file in sorted((lib / "libcxxabi/src").glob("*.cpp")) if file.name not in _ABI_UNUSED]
    cxx = [file for pattern in _CXX for file in sorted((lib / "libcxx/src").glob(pattern))]
    edges = [f"build abi/{file.name}.o: abi {file}" for file in abi] + [f"build cxx/{file.name}.o: cxx {file}" for file in cxx]
    objects = " ".join([*(f"cxx/{file.name}.o" for file in cxx), *(f"abi/{file.name}.o" for file in abi)])
    return [*edges, _list("libc++abi.a: ar", "abi", [file.name for file in abi]),
            _list("libc++_static.a: ar", "cxx", [file.name for file in cxx]),
            f"build libc++_shared.so: link {objects} libunwind.a libc.so"]


def _list(head: str, folder: str, names: Sequence[str]) -> str:
    return f"build {head} {' '.join(f'{folder}/{name}.o' for name in names)}"
