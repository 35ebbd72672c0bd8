# SPDX-License-Identifier: Apache-2.0
"""Configure and ninja one native target with a Toolchain, so that its bytes do not depend on where or when.

What we add travels in a file that CMake includes in the first project(): a toolchain file of an ohos-sdk may set flag
variables as it likes, the directory's options still hold.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln import run, share, stamp
from kiln.progress import Progress, counted, silent
from kiln.results import Toolchain

_INCLUDE, _MARK = "kiln.cmake", "kiln.key"
# What a person's shell may hold and a build must not take in.
_QUIET = dict.fromkeys(("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "ASMFLAGS", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH",
                        "LIBRARY_PATH", "CMAKE_PREFIX_PATH", "CMAKE_BUILD_TYPE", "DESTDIR"), "")


@dataclass(frozen=True)
class Link:
    """How the target is linked: `static` programs, or shared ones that look for libraries in these run paths."""

    static: bool = False
    program_path: str = ""
    library_path: str = "$ORIGIN"


def build(source: Path, toolchain: Toolchain, *, targets: Sequence[str], options: Mapping[str, str], obj: Path, log: Path,
          jobs: int, ccache: Path | None, link: Link = Link(), flags: Sequence[str] = (),
          progress: Progress = silent, what: str = "native") -> None:
    """Build `targets` of the CMake project at `source` in `obj`; ninja goes on where a killed run stopped.

    Another toolchain, other options or flags empty `obj` first: ninja does not see a compiler that changed. Raises
    ProgramError with the first error of the compiler.
    """
    include = _include(source, obj, link, flags)
    wanted = stamp.key(toolchain.identity, toolchain.key, dict(options), include)
    if not (obj / _MARK).is_file() or (obj / _MARK).read_text() != wanted:
        shutil.rmtree(obj, ignore_errors=True)
        obj.mkdir(parents=True)
        (obj / _INCLUDE).write_text(include)
    env = _environment(source, toolchain, obj, ccache)
    if not (obj / _MARK).is_file():
        run.run(["cmake", *_arguments(source, toolchain, options, obj, ccache, link)], cwd=obj, log=log, env=env)
        stamp.write(obj / _MARK, wanted)
    with progress(0, what, "steps") as update:
        run.run(["ninja", "-j", str(jobs), *targets], cwd=obj, log=log, env=env, line=counted(update))


def _arguments(source: Path, toolchain: Toolchain, options: Mapping[str, str], obj: Path, ccache: Path | None,
               link: Link) -> list[str]:
    launcher = run.find("ccache") if ccache else ""
    given = {
        "CMAKE_TOOLCHAIN_FILE": str(toolchain.file), "OHOS_ARCH": toolchain.abi,
        "OHOS_STL": "c++_static" if link.static else "c++_shared",
        "CMAKE_MAKE_PROGRAM": run.find("ninja"), "CMAKE_BUILD_TYPE": "Release", "CMAKE_SKIP_RPATH": "ON",
        "CMAKE_PROJECT_TOP_LEVEL_INCLUDES": str(obj / _INCLUDE),
        "CMAKE_C_COMPILER_LAUNCHER": launcher, "CMAKE_CXX_COMPILER_LAUNCHER": launcher,
        "FETCHCONTENT_FULLY_DISCONNECTED": "ON", **options,
    }
    return ["-G", "Ninja", "-S", str(source), "-B", str(obj), *(f"-D{name}={value}" for name, value in sorted(given.items()))]


def _include(source: Path, obj: Path, link: Link, flags: Sequence[str]) -> str:
    """Options for every target: no path of this machine in __FILE__, no build id, no symbols, the run paths.

    ccache makes paths under its base directory relative to `obj`, so the relative form is mapped to the same name.
    """
    maps = {str(source): "src", os.path.relpath(source, obj): "src", str(obj): "obj"}
    compile_ = [*(f"-ffile-prefix-map={path}={name}" for path, name in maps.items()), *flags]
    links = ["-Wl,--build-id=none", "-Wl,--strip-all"]
    program, library = "-static", "-static"
    if not link.static:
        program, library = f"-Wl,-rpath,{link.program_path}", f"-Wl,-rpath,{link.library_path}"
    program, library = program.replace(",", "$<COMMA>"), library.replace(",", "$<COMMA>")
    links.append(f"$<IF:$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>,{program},{library}>")
    lines = (f"add_compile_options({' '.join(map(_quoted, compile_))})", f"add_link_options({' '.join(map(_quoted, links))})",
             (share.folder("native") / "cmake/same_bytes.cmake").read_text())
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return f"[==[{text}]==]"


def _environment(source: Path, toolchain: Toolchain, obj: Path, ccache: Path | None) -> dict[str, str]:
    """No flags of the shell, no git around or above the tree, and a compiler cache that other checkouts hit.

    `CCACHE_BASEDIR` is the folder that source, objects and SDK have in common: below it all paths are relative.
    """
    env = {**_QUIET, "NINJA_STATUS": "[%f/%t] ", "GIT_CEILING_DIRECTORIES": str(source.parent), "GIT_DIR": os.devnull, "CCACHE_DISABLE": "1"}
    if ccache:
        common = os.path.commonpath([source, obj, toolchain.root])
        del env["CCACHE_DISABLE"]
        env |= {"CCACHE_DIR": str(ccache), "CCACHE_BASEDIR": common, "CCACHE_NOHASHDIR": "1", "CCACHE_CONFIGPATH": os.devnull,
                "CCACHE_COMPILERCHECK": f"string:{toolchain.identity}"}
    return env
