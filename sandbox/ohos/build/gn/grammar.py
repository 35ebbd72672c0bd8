# SPDX-License-Identifier: Apache-2.0
"""The part of gn's language that the miniature tree speaks: assignments, lists, strings with $names, target blocks, import.

    file    := statement*
    statement := NAME ('=' | '+=') value | NAME '(' (value ','?)* ')' block?
    block   := '{' statement* '}'
    value   := term ('+' term)*        term := STRING | NUMBER | true | false | NAME | '[' (value ','?)* ']' | rebase_path '(' value ')'

exec_script("x.py", [words]) runs the script at once, in the out folder, as gn does.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

_TOKEN = re.compile(r'(?P<space>\s+|#[^\n]*)|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)'
                    r'|(?P<mark>\+=|[-=+\[\](){},])')
_NAME = re.compile(r"\$\{(\w+)\}|\$(\w+)")


class GnError(Exception):
    """What gn would print: `ERROR at //path:line:column: message`."""

    def __init__(self, file: Path, text: str, at: int, message: str) -> None:
        line = text.count("\n", 0, at) + 1
        column = at - text.rfind("\n", 0, at)
        shown = dict(enumerate(text.splitlines(), 1)).get(line, "")
        first, _, rest = message.partition("\n")
        super().__init__(f"ERROR at //{file.as_posix()}:{line}:{column}: {first}\n{shown}" + (f"\n{rest}" if rest else ""))


@dataclass(frozen=True)
class Target:
    """One target block: its template, name, the variables set in it and the file that it stands in."""

    kind: str
    name: str
    values: dict[str, object]
    file: Path
    error: object = field(compare=False, default=None)


def parse(file: Path, known: dict[str, object]) -> list[Target]:
    """The targets of one BUILD.gn. Raises GnError; `known` are the build arguments."""
    return _Reader(file, file.read_text()).all(dict(known))


class _Reader:
    def __init__(self, file: Path, text: str) -> None:
        self.file, self.text, self.next, self.targets = file, text, 0, []
        self.tokens: list[tuple[str, str, int]] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self.wrong(at, "Invalid token.")
            if match.lastgroup != "space":
                self.tokens.append((str(match.lastgroup), match[0], at))
            at = match.end()
        self.tokens.append(("end", "", len(text)))

    def wrong(self, at: int, message: str) -> GnError:
        return GnError(self.file, self.text, at, message)

    def all(self, scope: dict[str, object]) -> list[Target]:
        while self.tokens[self.next][0] != "end":
            self.statement(scope)
        return self.targets

    def take(self, *wanted: str) -> str:
        kind, text, at = self.tokens[self.next]
        if wanted and text not in wanted and kind not in wanted:
            raise self.wrong(at, f"Expected {' or '.join(repr(word) for word in wanted)}.")
        self.next += 1
        return text

    def statement(self, scope: dict[str, object]) -> None:
        at = self.tokens[self.next][2]
        name = self.take("name")
        mark = self.take("=", "+=", "(")
        if mark == "(":
            self.call(name, scope, at)
        elif mark == "=":
            scope[name] = self.value(scope)
        elif name not in scope:
            raise self.wrong(at, "Undefined identifier.")
        else:
            scope[name] = scope[name] + self.value(scope)

    def call(self, kind: str, scope: dict[str, object], at: int) -> None:
        given = []
        while self.tokens[self.next][1] != ")":
            given.append(self.value(scope))
            if self.tokens[self.next][1] != ")":
                self.take(",")
        self.take(")")
        name = given[0] if given else ""
        if kind == "exec_script":
            return self.script(at, given, scope)
        if self.tokens[self.next][1] != "{":
            return                                     # import("...") and the like
        self.take("{")
        inner = dict(scope)
        while self.tokens[self.next][1] != "}":
            if self.tokens[self.next][0] == "end":
                raise self.wrong(self.tokens[self.next][2], "Unexpected end of file.")
            self.statement(inner)
        self.take("}")
        if kind == "declare_args":
            scope.update(inner)
        else:
            self.targets.append(Target(kind, str(name), inner, self.file, lambda message: self.wrong(at, message)))

    def script(self, at: int, given: list, scope: dict[str, object]) -> None:
        out = str(scope.get("root_build_dir", "")).removeprefix("//") or "."
        os.makedirs(out, exist_ok=True)
        argv = [sys.executable, os.path.abspath(self.file.parent / given[0]), *(given[1] if len(given) > 1 else [])]
        done = subprocess.run(argv, cwd=out, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        if done.returncode:
            said = f"Script returned non-zero exit code.\nReturned {done.returncode} and printed out:\n\n{done.stdout}"
            raise self.wrong(at, said)

    def value(self, scope: dict[str, object]) -> object:
        made = self.term(scope)
        while self.tokens[self.next][1] == "+":
            self.take("+")
            made = made + self.term(scope)
        return made

    def term(self, scope: dict[str, object]) -> object:
        kind, text, at = self.tokens[self.next]
        self.take("string", "number", "name", "[")
        if kind == "string":
            return _NAME.sub(lambda match: str(self.named(match[1] or match[2], scope, at)), text[1:-1].replace('\\"', '"'))
        if kind == "number":
            return int(text)
        if text == "rebase_path":
            self.take("(")
            path = str(self.value(scope))
            self.take(")")
            return os.path.abspath(path[2:] if path.startswith("//") else self.file.parent / path)
        if kind == "name":
            return text == "true" if text in ("true", "false") else self.named(text, scope, at)
        made = []
        while self.tokens[self.next][1] != "]":
            made.append(self.value(scope))
            if self.tokens[self.next][1] != "]":
                self.take(",")
        self.take("]")
        return made

    def named(self, name: str, scope: dict[str, object], at: int) -> object:
        if name not in scope:
            raise self.wrong(at, "Undefined identifier.")
        return scope[name]
