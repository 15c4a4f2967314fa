#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What knows of registers, the kernel's structures and stacks compiles for aarch64 as well, without a warning: capture,
# keeper and monitor, by a cross compiler. Headers of libraries are the same for all processors; they alone are taken
# from this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
compiler=aarch64-linux-gnu-gcc
command -v $compiler > /dev/null || { echo "no $compiler (Debian: gcc-aarch64-linux-gnu)"; exit 1; }
headers=$(mktemp -d)
trap 'rm -rf "$headers"' EXIT
for header in elfutils dwarf.h libelf.h gelf.h yajl; do
  [ ! -e "/usr/include/$header" ] || ln -s "/usr/include/$header" "$headers/$header"
done
flags=(-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wformat=2 -Werror -fsyntax-only -Ilib -Iinclude -isystem "$headers")
libdw=()
[ ! -e "$headers/elfutils" ] || libdw=(-DCCOL_HAVE_LIBDW=1)
count=0
for source in lib/{capture,keeper,monitor}/*.c; do
  if [ ${#libdw[@]} = 0 ] && grep -q '<elfutils/\|<dwarf.h>\|monitor/symbols.h' "$source"; then continue; fi
  $compiler "${flags[@]}" "${libdw[@]}" "$source"
  count=$((count + 1))
done
echo "aarch64: $count files compile"
