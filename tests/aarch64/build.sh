#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# build.sh FOLDER TEST...: what needs no library but libc, built for aarch64 into FOLDER: these unit tests and the program
# captured, for which ptrace and reading another process come from kernel.c; keeper_alone, a victim and the library for
# mode preload, as they are.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1
shift
export compiler=aarch64-linux-gnu-gcc
export flags="-std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Wshadow -Werror -fno-optimize-sibling-calls -Ilib -Iinclude -Itests/unit"
command -v $compiler > /dev/null || { echo "no $compiler (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross)"; exit 1; }
rm -rf "$out"
mkdir -p "$out/objects"

# SOURCE OUTPUT: one object or one program
compile() {
  local link="-pthread -lm -Wl,--build-id=sha1" parts
  parts=$(dirname "$2")/libparts.a
  # shellcheck disable=SC2086
  case $2 in
  *.o) $compiler $flags -c "$1" -o "$2" ;;
  */captured_signed) $compiler $flags -mbranch-protection=standard "$1" tests/aarch64/kernel.c "$parts" $link -o "$2" ;;
  */victim) $compiler -g -O1 -fno-omit-frame-pointer "$1" $link -o "$2" ;;
  */keeper_alone) $compiler $flags "$1" "$parts" $link -o "$2" ;;
  *.so) $compiler $flags -fPIC -shared lib/capture/*.c $link -o "$2" ;;
  *) $compiler $flags "$1" tests/aarch64/kernel.c "$parts" $link -o "$2" ;;
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
  printf '%s\0%s\0' tests/aarch64/captured.c "$out/captured" tests/aarch64/captured.c "$out/captured_signed" tests/e2e/keeper_alone.c "$out/keeper_alone" \
    tests/e2e/victims/victim.c "$out/victim" lib/capture/preload.c "$out/libcrashcollect-preload.so"
  for name in "$@"; do printf '%s\0%s\0' "tests/unit/test_$name.c" "$out/test_$name"; done
} | xargs -0 -n2 -P"${JOBS:-$(nproc)}" bash -c 'compile "$0" "$1"'
