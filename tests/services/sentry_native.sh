#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# sentry-native with its Crashpad backend, built once for this user from the sources that a crate of crates.io carries
# (sentry-contrib-native-sys 0.3.1: sentry-native 0.4.9), and a program linked to it:
#   sentry_native.sh SOURCE.c PROGRAM      prints the path of Crashpad's handler
# Several at once wait for each other. CCOL_SERVICES_CACHE overrides the cache folder.
set -eu
NAME=sentry_native VERSION=0.3.1
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
folder=${CCOL_SERVICES_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/ccol-services}/sentry-native-$VERSION

build() (
  exec > "$folder.log" 2>&1
  set -x
  rm -rf "$folder"
  mkdir -p "$folder/source/src" "$folder/build"
  cd "$folder/source"
  printf '[package]\nname = "source"\nversion = "0.0.0"\nedition = "2018"\n[dependencies]\nsentry-contrib-native-sys = "=%s"\n' "$VERSION" > Cargo.toml
  : > src/lib.rs
  cargo vendor > /dev/null
  cd "$folder/build"
  # Warnings in somebody else's code are none of our business, and nobody waits for its speed.
  cmake "$folder/source/vendor/sentry-contrib-native-sys/sentry-native" -DSENTRY_BACKEND=crashpad -DSENTRY_TRANSPORT=curl \
    -DSENTRY_BUILD_SHARED_LIBS=OFF -DSENTRY_BUILD_TESTS=OFF -DSENTRY_BUILD_EXAMPLES=OFF -DCMAKE_BUILD_TYPE=None \
    -DCMAKE_C_FLAGS=-w -DCMAKE_CXX_FLAGS=-w
  cmake --build . --target sentry crashpad_handler -j "${JOBS:-$(nproc)}"
  : > "$folder/.complete"
)

[ $# = 2 ] || die "usage: sentry_native.sh SOURCE.c PROGRAM"
need_tools cargo cmake c++
mkdir -p "$(dirname "$folder")"
exec 9> "$folder.lock"
flock 9
if [ ! -e "$folder/.complete" ]; then
  say 'building sentry-native (a minute or two, once)'
  build || { tail -n 20 "$folder.log" >&2; die "could not build it; the log: $folder.log"; }
fi
cc -c "$1" -I"$folder/source/vendor/sentry-contrib-native-sys/sentry-native/include" -o "$2.o"
mapfile -t archives < <(find "$folder/build" -name '*.a' ! -name '*handler*' ! -name '*snapshot*' ! -name '*minidump*' ! -name '*tools*')
c++ -o "$2" "$2.o" -Wl,--start-group "${archives[@]}" -Wl,--end-group -lcurl -lcrypto -lssl -lz -lpthread -ldl
printf '%s\n' "$folder/build/crashpad_build/handler/crashpad_handler"
