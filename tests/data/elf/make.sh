#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the small binaries of this folder: make.sh FOLDER-WITH-SDKS (build/sdk with one folder for each ABI's name in it).
set -eu
cd "$(dirname "$0")"
one() { # abi prefix output flags...
    abi=$1 clang=$2-unknown-linux-ohos-clang out=$3
    shift 3
    "$sdks"/$abi/native/llvm/bin/$clang -O2 -shared -fPIC -fno-vectorize -Wl,--build-id=none -Wl,-soname,"$out" -o "$out" "$@"
}
sdks=$1
dot="-march=armv8.2-a+fp16+dotprod -DSDOT"
one arm64-v8a aarch64 good.so -s $dot -Wl,-rpath,'$ORIGIN' kernel.c
one arm64-v8a aarch64 plain.so -s kernel.c
one arm64-v8a aarch64 debug.so -g $dot -fdebug-prefix-map="$PWD"=. kernel.c
one arm64-v8a aarch64 assert.so -s $dot -DASSERT kernel.c
one arm64-v8a aarch64 path.so -s $dot -ffile-prefix-map=kernel.c=/home/builder/kiln/kernel.c kernel.c
one armeabi-v7a armv7 arm.so -s kernel.c
one x86_64 x86_64 x86.so -s kernel.c
echo 'int foreign(void) { return 1; }' > foreign.c
one arm64-v8a aarch64 libforeign.so foreign.c
one arm64-v8a aarch64 foreign.so -s $dot -DFOREIGN kernel.c libforeign.so
rm foreign.c libforeign.so
