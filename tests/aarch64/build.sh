#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# build.sh FOLDER TEST...: what needs no library but libc, built for aarch64 into FOLDER: these unit tests and the program
# captured. ptrace and reading another process come from kernel.c.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1
shift
export compiler=aarch64-linux-gnu-gcc
export flags="-std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Wshadow -Werror -fno-optimize-sibling-calls -Ilib -Iinclude -Itests/unit"
command -v $compiler > /dev/null || { echo "no $compiler (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross)"; exit 1; }
rm -rf "$out"
mkdir -p "$out/objects"

compile() { # SOURCE OUTPUT: one object or, where the output is no .o, one program
  # shellcheck disable=SC2086
  case $2 in
  *.o) $compiler $flags -c "$1" -o "$2" ;;
  *) $compiler $flags "$1" tests/aarch64/kernel.c "$(dirname "$2")/libparts.a" -pthread -lm -Wl,--build-id=sha1 -o "$2" ;;
  esac
}
export -f compile

# preload.c has functions of libc's names, the rest needs libraries
for source in lib/{base,capture,keeper,monitor}/*.c; do
  grep -q '<yajl\|<elfutils\|<dwarf.h>\|<openssl\|<zlib\|<isa-l\|monitor/symbols.h' "$source" && continue
  [ "$source" != lib/capture/preload.c ] || continue
  name=${source#lib/}
  printf '%s\0%s\0' "$source" "$out/objects/${name//\//_}.o"
done | xargs -0 -n2 -P"${JOBS:-$(nproc)}" bash -c 'compile "$0" "$1"'
aarch64-linux-gnu-ar rcs "$out/libparts.a" "$out"/objects/*.o
{
  printf '%s\0%s\0' tests/aarch64/captured.c "$out/captured"
  for name in "$@"; do printf '%s\0%s\0' "tests/unit/test_$name.c" "$out/test_$name"; done
} | xargs -0 -n2 -P"${JOBS:-$(nproc)}" bash -c 'compile "$0" "$1"'
