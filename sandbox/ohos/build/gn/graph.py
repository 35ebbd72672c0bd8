# SPDX-License-Identifier: Apache-2.0
"""The targets of the loaded parts: which template makes which edges, what is linked with what, what is installed where."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import grammar
from generation import since
from grammar import Target
from ninja_file import Ninja

TOOLCHAIN = Path("prebuilts/clang/ohos/version")


@dataclass(frozen=True)
class Install:
    """A file for an image: which, its path there, the file in the out folder, links to it that stand beside it."""

    image: str
    path: str
    file: str
    links: tuple[str, ...] = ()


@dataclass
class Module:
    """What a target gave: its files (paths in the out folder), what others link, what is installed."""

    part: str
    files: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)
    installs: list[Install] = field(default_factory=list)


class Graph:
    """Targets by label (`//path:name`), each made once, dependencies first."""

    def __init__(self, parts: dict[str, dict], values: dict[str, object], ninja: Ninja) -> None:
        self.parts, self.values, self.ninja = parts, values, ninja
        self.modules: dict[str, Module] = {}
        self.files: dict[Path, list[Target]] = {}

    def part(self, name: str, part: dict) -> None:
        """All modules of a part, and a phony target of the part's name."""
        files = [file for label in part["modules"] for file in self.module(label, name, Path()).files]
        self.ninja.edge("phony", [f"build_configs/{part['subsystem']}/{name}:{name}", name], files)

    def module(self, label: str, part: str, folder: Path, user: Target | None = None) -> Module:
        path, _, name = label.removeprefix("//").partition(":")
        home = Path(path) if label.startswith("//") else folder / path
        full = f"//{home.as_posix()}:{name or home.name}"
        if full not in self.modules:
            target = self._find(full, home / "BUILD.gn", name or home.name, user)
            self.modules[full] = Module(str(target.values.get("part_name", part)))
            make = _TEMPLATES.get(target.kind)
            if make is None:
                raise target.error("Unknown function.")
            make(self, target, self.modules[full])
            short = [name] if name not in self.parts else []
            self.ninja.edge("phony", [f"{home.as_posix()}:{name}", *short], self.modules[full].files)
        return self.modules[full]

    def subsystem(self, target: Target, module: Module) -> str:
        return str(target.values.get("subsystem_name") or self.parts[module.part]["subsystem"])

    def needed(self, target: Target, module: Module) -> tuple[list[str], list[str]]:
        """What a target links, and the include folders that the parts it names give."""
        values, folder = target.values, target.file.parent
        for label in values.get("deps", []):
            self._own(label, target, module)
        modules = [self.module(label, module.part, folder, target) for label in values.get("deps", [])]
        includes: list[str] = []
        for word in values.get("external_deps", []):
            kit = self._kit(word, target)
            modules.append(self.module(kit["name"], word.partition(":")[0], folder, target))
            if "header" in kit:
                includes.append(kit["header"]["header_base"])
        return [file for found in modules for file in found.linked], includes

    def _own(self, label: str, target: Target, module: Module) -> None:
        """Another part's target may only be an external_deps: refused by ninja, and for the product rk3568 from 5.1 on by gn."""
        others = [name for name, part in self.parts.items() if f"{label[2:].partition(':')[0]}/".startswith(f"{part['path']}/")]
        if not label.startswith("//") or not others or module.part in others:
            return
        if self.values["product_name"] == "rk3568" and since("5.1"):
            raise target.error("InnerApi is not defined in bundle.json")
        check = f"build_configs/{self.parts[module.part]['subsystem']}/{module.part}/{target.name}__check.txt"
        self.ninja.edge("refuse", [check], what=label)
        module.files.append(check)

    def _kit(self, word: str, target: Target) -> dict:
        part, _, name = word.partition(":")
        for kit in self.parts.get(part, {}).get("inner_kits", []):
            if kit["name"].endswith(f":{name}"):
                return kit
        raise target.error(f"The external dependency {word} is not an inner_kit of a part that is loaded.")

    def _find(self, label: str, file: Path, name: str, user: Target | None) -> Target:
        if file not in self.files:
            if not file.is_file():
                raise user.error(f"Unable to load {file}.") if user else SystemExit(f"ERROR Unable to load {file}.")
            self.files[file] = grammar.parse(file, self.values)
        for target in self.files[file]:
            if target.name == name:
                return target
        raise user.error(f"Unresolved dependency {label}.") if user else SystemExit(f"ERROR Unresolved dependency {label}.")


def _objects(graph: Graph, target: Target, includes: list[str]) -> list[str]:
    values, folder = target.values, target.file.parent
    made = []
    for source in values.get("sources", []):
        path = Path(source.removeprefix("//")) if source.startswith("//") else folder / source
        if not (path.is_file()):
            raise target.error(f"Source file not found: //{path.as_posix()}")
        rule = "cc" if path.suffix == ".c" else "cxx"
        output = f"obj/{folder.as_posix()}/{target.name}/{path.stem}.o"
        dirs = [graph.ninja.source(Path(word.removeprefix("//")) if word.startswith("//") else folder / word)
                for word in [*values.get("include_dirs", []), *includes]]
        more = [*(f"-I{word}" for word in dirs), *(f"-D{word}" for word in values.get("defines", [])), *values.get("cflags", []),
                *values.get("cflags_c" if rule == "cc" else "cflags_cc", [])]
        graph.ninja.edge(rule, [output], [graph.ninja.source(path)], needs=[graph.ninja.source(TOOLCHAIN)],
                         more=" ".join(more))
        made.append(output)
    return made


def _linked(graph: Graph, target: Target, module: Module, rule: str, name: str, where: str) -> None:
    """A program or library: unstripped in <kind>.unstripped/<subsystem>/<part>/, stripped in <subsystem>/<part>/."""
    libs, includes = graph.needed(target, module)
    home = f"{graph.subsystem(target, module)}/{module.part}"
    kind = "lib" if rule == "solink" else "exe"
    unstripped, stripped = f"{kind}.unstripped/{home}/{name}", f"{home}/{name}"
    graph.ninja.edge(rule, [stripped, unstripped], _objects(graph, target, includes), needs=libs, libs=" ".join(libs),
                     soname=name if rule == "solink" else "", more=" ".join(target.values.get("ldflags", [])),
                     stripped=stripped, unstripped=unstripped)
    module.files += [stripped, unstripped]
    if rule == "solink":
        module.linked.append(unstripped)
    if target.values.get("install_enable", rule == "solink"):
        _install(target, module, stripped, where)


def _install(target: Target, module: Module, file: str, where: str, links: tuple[str, ...] = ()) -> None:
    values = target.values
    folder = str(values.get("module_install_dir") or os.path.join(where, str(values.get("relative_install_dir", ""))))
    path = os.path.join(folder, os.path.basename(file))
    module.installs += [Install(image, path, file, links) for image in values.get("install_images", ["system"])]


def _shared_library(graph: Graph, target: Target, module: Module) -> None:
    values = target.values
    name = str(values.get("output_name", target.name))
    name = f"{name if name.startswith('lib') else f'lib{name}'}.{values.get('output_extension', 'z.so')}"
    folder = "lib" if values["target_cpu"] == "arm" else "lib64"
    tags = [tag.removesuffix("_indirect") for tag in values.get("innerapi_tags", []) if since("4.0")]
    tags = [tag for tag in tags if tag in ("ndk", "platformsdk", "chipsetsdk")]
    _linked(graph, target, module, "solink", name, os.path.join(folder, *tags[:1]))


def _executable(graph: Graph, target: Target, module: Module) -> None:
    _linked(graph, target, module, "link", str(target.values.get("output_name", target.name)), "bin")


def _prebuilt_etc(graph: Graph, target: Target, module: Module) -> None:
    source = str(target.values["source"])
    path = Path(source[2:]) if source.startswith("//") else target.file.parent / source
    output = f"obj/{target.file.parent.as_posix()}/{target.values.get('output', path.name)}"
    graph.ninja.edge("copy", [output], [graph.ninja.source(path)])
    module.files.append(output)
    _install(target, module, output, "etc", tuple(target.values.get("symlink_target_name", [])))


def _prebuilt_library(graph: Graph, target: Target, module: Module) -> None:
    folder = "lib" if graph.values["target_cpu"] == "arm" else "lib64"
    module.linked.append(_prebuilt(graph, target, module, folder, enabled=True))


def _prebuilt_executable(graph: Graph, target: Target, module: Module) -> None:
    _prebuilt(graph, target, module, "bin", enabled=False)


def _prebuilt(graph: Graph, target: Target, module: Module, where: str, *, enabled: bool) -> str:
    """Copied as it is; a program is installed only where that is asked for."""
    path = target.file.parent / str(target.values["source"])
    output = f"obj/{target.file.parent.as_posix()}/{target.values.get('output', target.values['source'])}"
    graph.ninja.edge("copy", [output], [graph.ninja.source(path)])
    module.files.append(output)
    if target.values.get("install_enable", enabled):
        _install(target, module, output, where)
    return output


def _copy(graph: Graph, target: Target, module: Module) -> None:
    root = f"{target.values['root_build_dir']}/"
    for source in target.values["sources"]:
        path = target.file.parent / source
        output = target.values["outputs"][0].replace("{{source_file_part}}", path.name).removeprefix(root)
        graph.ninja.edge("copy", [output], [graph.ninja.source(path)])
        module.files.append(output)


def _group(graph: Graph, target: Target, module: Module) -> None:
    for label in target.values.get("deps", []):
        found = graph.module(label, module.part, target.file.parent, target)
        module.files += found.files
        module.linked += found.linked


_TEMPLATES = {"ohos_shared_library": _shared_library, "ohos_executable": _executable, "ohos_prebuilt_etc": _prebuilt_etc,
              "ohos_prebuilt_executable": _prebuilt_executable, "ohos_prebuilt_shared_library": _prebuilt_library,
              "copy": _copy, "ohos_copy": _copy, "group": _group, "ohos_group": _group}
