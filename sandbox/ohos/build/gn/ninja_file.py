# SPDX-License-Identifier: Apache-2.0
"""build.ninja of one board: the rules of the miniature tree and the edges that are added to it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

TRIPLES = {"arm64": "aarch64-linux-ohos", "arm": "arm-linux-ohos", "x86_64": "x86_64-linux-ohos"}

# -s in a second link, not llvm-strip: the stand-in SDK's wheel brings no llvm-strip. No debug information, so nothing of the
# build's folder can be in a library; every path on a command line is relative.
_RULES = """\
root = ../..
python = {python}
target = --target={triple} --sysroot=$root/prebuilts/ohos-sdk/linux/{api}/native/sysroot
clang = $root/prebuilts/clang/ohos/linux-x86_64/llvm/bin/clang
flags = $target -D__MUSL__ -O2 -fPIC -ffunction-sections -fdata-sections -fstack-protector-strong -fvisibility=hidden $
 -Wall -Wextra -Werror
link = $target -fuse-ld=lld -Wl,--build-id=none -Wl,--no-undefined -Wl,--gc-sections -Wl,-z,noexecstack -Wl,-z,relro,-z,now
epoch = {epoch}

rule cc
  command = $clang -MMD -MF $out.d $flags $more -c $in -o $out
  depfile = $out.d
  deps = gcc
  description = CC $out
rule cxx
  command = $clang++ -MMD -MF $out.d $flags -std=c++17 -fno-exceptions -fno-rtti $more -c $in -o $out
  depfile = $out.d
  deps = gcc
  description = CXX $out
rule solink
  command = $clang++ -shared $link -Wl,-soname,$soname $in $libs $more -o $unstripped && $
   $clang++ -shared $link -s -Wl,-soname,$soname $in $libs $more -o $stripped
  description = SOLINK $stripped
rule link
  command = $clang++ $link $in $libs $more -o $unstripped && $clang++ $link -s $in $libs $more -o $stripped
  description = LINK $stripped
rule copy
  command = cp -f $in $out && touch $out
  description = COPY $out
rule refuse
  command = echo "deps validation part_name: $what is of another part" && false
  description = ACTION $out
rule install
  command = $python $root/build/ohos/packages/install.py --modules $modules --into $into --stamp $out
  description = ACTION //build/ohos/packages:$image
rule image
  command = SOURCE_DATE_EPOCH=$epoch $python $root/build/ohos/images/build_image.py --image-name $image --product $product $
   --input-path $from --image-config-file $conf --output-image $out
  description = ACTION //build/ohos/images:$image

"""


class Ninja:
    """Edges in the order in which they were added; every path is relative to the out folder."""

    def __init__(self, out: Path, python: str, values: dict[str, object]) -> None:
        self.out, self.values = out, values
        self.edges = [_RULES.format(python=python, triple=TRIPLES[str(values["target_cpu"])], api=values["api_version"],
                                    epoch=values["source_date_epoch"])]

    def source(self, path: Path) -> str:
        """A path from the root of the tree as ninja, which runs in the out folder, sees it."""
        return os.path.relpath(path, self.out)

    def edge(self, rule: str, outputs: Iterable[str], inputs: Iterable[str] = (), *, needs: Iterable[str] = (),
             **names: str) -> None:
        def words(paths: Iterable[str]) -> str:
            return " ".join(path.replace("$", "$$").replace(":", "$:").replace(" ", "$ ") for path in paths)

        needs = list(needs)
        head = f"build {words(outputs)}: {rule} {words(inputs)}" + (f" | {words(needs)}" if needs else "")
        self.edges.append("\n".join([head.rstrip(), *(f"  {name} = {value}" for name, value in names.items() if value)]) + "\n")

    def text(self) -> str:
        return "".join(self.edges)
