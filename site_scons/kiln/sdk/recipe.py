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
    edges = [*_starts(), *_unwind(), *_cxx(lib)]
    folders = f"lib = {_escaped(lib)}\nroot = {_escaped(root)}"
    return "\n".join([folders, *_rules(target, version), *edges]) + "\n"


def _escaped(folder: Path) -> str:
    """A folder as ninja reads it, blanks and colons and all; the rules quote it for the shell."""
    return str(folder).replace("$", "$$")


def _rules(target: Target, version: str) -> list[str]:
    base = " ".join((f"--target={target.triple}", *target.flags))
    common = f"{base} {_COMMON} '-ffile-prefix-map=$lib=/sdk/src'"
    start = f"{common} -std=c99 -ffreestanding -fno-stack-protector " + _folders(
        f"libc/musl/arch/{target.arch}", "libc/musl/arch/generic", "libc/musl/src/include", "libc/musl/src/internal")
    low = f"{common} -fPIC -D_LIBUNWIND_IS_NATIVE_ONLY {_folders('libunwind/include')}"
    high = (f"{common} -fPIC -std=c++23 -fvisibility-inlines-hidden -D_LIBCPP_BUILDING_LIBRARY -DLIBCXX_BUILDING_LIBCXXABI "
            + _folders("libcxx/src", "libcxx/libc", "libcxxabi/include", "libunwind/include"))
    clang, cxx = "'$root/llvm/bin/clang'", "'$root/llvm/bin/clang++'"
    commands = {
        "start": f"{clang} {start} $more -c $in -o $out",
        "stub": f"{clang} {base} {' '.join(f'-D{name}' for name in target.stub)} -c $in -o $out",
        "c": f"{clang} {low} -fexceptions -c $in -o $out",
        "lowcxx": f"{cxx} {low} -std=c++17 -fno-exceptions -fno-rtti -c $in -o $out",
        "abi": f"{cxx} {high} -D_LIBCXXABI_BUILDING_LIBRARY -c $in -o $out",
        "cxx": f"{cxx} {high} -DLIBC_NAMESPACE=__llvm_libc_common_utils -c $in -o $out",
        "ar": "'$root/llvm/bin/llvm-ar' rcsD $out $in",
        "libc": "'$root/llvm/bin/ld.lld' -shared -s -soname libc.so --build-id=none $in -o $out",
        "link": f"{cxx} {base} -shared -nostdlib -s -Wl,-soname,libc++_shared.so -Wl,--build-id=none -Wl,--no-undefined "
                f"-o $out $in '$root/llvm/lib/clang/{version}/lib/{target.triple}/libclang_rt.builtins.a'",
    }
    return [f"rule {name}\n command = {command}" for name, command in commands.items()]


def _folders(*names: str) -> str:
    return " ".join(f"'-I$lib/{name}'" for name in names)


def _starts() -> list[str]:
    """musl's start files; the others of the OHOS driver's link line have nothing to do here and are empty."""
    edges = [f"build {name}.o: start $lib/libc/musl/crt/{name}.c\n more = {'-fno-PIC' if name == 'crt1' else '-fPIC'}"
             for name in ("crt1", "Scrt1", "rcrt1")]
    edges += [f"build {name}.o: start empty.c" for name in _CRT]
    return [*edges, "build stub.o: stub $lib/libc/musl/libc.S", "build libc.so: libc stub.o"]


def _unwind() -> list[str]:
    names = ["libunwind.cpp", "Unwind-EHABI.cpp", "UnwindLevel1.c", "UnwindLevel1-gcc-ext.c", "UnwindRegistersRestore.S",
             "UnwindRegistersSave.S"]
    edges = [f"build unwind/{name}.o: {'lowcxx' if name.endswith('.cpp') else 'c'} $lib/libunwind/src/{name}" for name in names]
    return [*edges, _list("libunwind.a: ar", "unwind", names)]


def _cxx(lib: Path) -> list[str]:
    """libc++abi and libc++; `lib` is only listed, the edges name it by its variable."""
    abi = [file for file in sorted((lib / "libcxxabi/src").glob("*.cpp")) if file.name not in _ABI_UNUSED]
    cxx = [file for pattern in _CXX for file in sorted((lib / "libcxx/src").glob(pattern))]
    edges = [f"build {rule}/{file.name}.o: {rule} $lib/{file.relative_to(lib).as_posix()}"
             for rule, files in (("abi", abi), ("cxx", cxx)) for file in files]
    objects = " ".join([*(f"cxx/{file.name}.o" for file in cxx), *(f"abi/{file.name}.o" for file in abi)])
    return [*edges, _list("libc++abi.a: ar", "abi", [file.name for file in abi]),
            _list("libc++_static.a: ar", "cxx", [file.name for file in cxx]),
            f"build libc++_shared.so: link {objects} libunwind.a libc.so"]


def _list(head: str, folder: str, names: Sequence[str]) -> str:
    return f"build {head} {' '.join(f'{folder}/{name}.o' for name in names)}"
