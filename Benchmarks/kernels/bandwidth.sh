#!/bin/sh
# Builds bandwidth.c with the kernels' sources and runs it.
set -e
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cd "$root/Sources/CKernels"
for source in cpu.c elementwise/*.c cast/*.c movement/*.c reduce/*.c rows/*.c; do
  ${CC:-clang} -std=gnu11 -O3 -fno-math-errno -fno-trapping-math -Iinclude -c "$source" \
    -o "$out/$(echo "$source" | tr / _).o"
done
${CC:-clang} -std=gnu11 -O2 -Iinclude "$root/Benchmarks/kernels/bandwidth.c" "$out"/*.o -o "$out/bandwidth" -lm -lpthread
"$out/bandwidth"
