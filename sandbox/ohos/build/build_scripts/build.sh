#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stand-in for OpenHarmony's build.sh (5.x): same checks in the same order, same banners, exit code 0 or 1.
# Like the real one it does no cd (it must be started in the root) and splits arguments that hold spaces anew.

rule="++++++++++++++++++++++++++++++++++++++++"
printf '%s\n\n\033[46mWelcome to OpenHarmony!\033[0m\n\n%s\n' "$rule" "$rule"
date +"%F %H:%M:%S"
echo "Build args: $*"

root=$(cd "$(dirname "$0")" && pwd)
while [ ! -f "$root/.gn" ]; do
    if [ "$root" = / ]; then
        echo "Cannot find source tree containing $(pwd)"
        exit 1
    fi
    root=$(dirname "$root")
done

for folder in "$root"/prebuilts/python/linux-x86/*/; do python_path=$folder/bin; done
if [ ! -x "$python_path/python3" ]; then
    printf '\033[31mPlease execute the build/prebuilts_download.sh\033[0m\n'
    exit 1
fi
node_home=$root/prebuilts/build-tools/common/nodejs/node-v14.21.1-linux-x64
export NODE_HOME="$node_home"
export PATH="$python_path:$root/prebuilts/build-tools/linux-x86/bin:$node_home/bin:$PATH"
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
version=$(node -v 2>/dev/null)
if [ "$version" != v14.21.1 ]; then
    printf '\033[31mNode.js version mismatch. Expected v14.21.1 but found %s\033[0m\n' "$version" >&2
    exit 1
fi
mkdir -p "$HOME/.hvigor/wrapper/tools" && echo "lockfile=false" > "$HOME/.npmrc"

args_list="$*"
# shellcheck disable=SC2086  # the real script splits here too
if ! python3 "$root/build/hb/main.py" build $args_list; then
    printf '\033[31m=====build %s error=====\033[0m\n' "$product_name"
    exit 1
fi
printf '\033[32m=====build %s successful=====\033[0m\n' "$product_name"
date +"%F %H:%M:%S"
echo "$rule"
