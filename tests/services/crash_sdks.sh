#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Crash reporters that a program carries inside itself, each built once under the user's cache folder
# (CCOL_SERVICES_CACHE overrides):
#   sentry-native 0.4.9 with its Crashpad, and with its Breakpad   crates.io: sentry-contrib-native-sys 0.3.1 has the sources
#   Embark's crash-handler 0.8.1 and minidumper 0.11.0             crates.io; what uses them: tests/e2e/peers/minidumper
# Prints export lines with their folders. Several at once wait for each other.
set -eu
VERSION=0.3.1
here=$(cd "$(dirname "$0")" && pwd)
minidumper_source=$here/../e2e/peers/minidumper
cache=${CCOL_SERVICES_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/ccol-services}
jobs=${JOBS:-$(nproc)}

die() { printf 'crash_sdks: error: %s\n' "$*" >&2; exit 1; }

# once FOLDER WHAT COMMAND...: COMMAND fills FOLDER.new, which becomes FOLDER
once() {
  local folder=$1 what=$2
  shift 2
  [ ! -e "$folder/.complete" ] || return 0
  printf 'crash_sdks: getting %s\n' "$what" >&2
  rm -rf "$folder" "$folder.new"
  mkdir -p "$folder.new"
  ("$@" "$folder.new") > "$folder.log" 2>&1 ||
    { tail -n 20 "$folder.log" >&2; die "could not build $what; the log: $folder.log"; }
  : > "$folder.new/.complete"
  mv "$folder.new" "$folder"
}

# The crate is taken for its sources alone; its own build, which makes a library for Rust, is not run.
get_sources() {
  mkdir "$1/src" && : > "$1/src/lib.rs" &&
    printf '[package]\nname = "sources"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n%s = "=%s"\n' \
      sentry-contrib-native-sys "$VERSION" > "$1/Cargo.toml" &&
    (cd "$1" && cargo vendor --quiet vendor > /dev/null) &&
    mv "$1/vendor/sentry-contrib-native-sys/sentry-native" "$1/sentry-native" &&
    rm -rf "$1/vendor" || return 1
  # a constant when this was written; in glibc since 2.34 it is a call
  sed -i 's/std::max(16384, SIGSTKSZ)/std::max<long>(16384, SIGSTKSZ)/' \
    "$1/sentry-native/external/breakpad/src/client/linux/handler/exception_handler.cc"
}

get_sentry() {
  local backend=$1 target=$2
  cmake -S "$sources/sentry-native" -B "$target/build" -DCMAKE_BUILD_TYPE=Release -DSENTRY_BACKEND="$backend" \
    -DSENTRY_TRANSPORT=none -DSENTRY_BUILD_TESTS=OFF -DSENTRY_BUILD_EXAMPLES=OFF -DSENTRY_BUILD_SHARED_LIBS=ON &&
    cmake --build "$target/build" -j "$jobs" &&
    mv "$target/build/libsentry.so" "$target/" || return 1
  if [ "$backend" = crashpad ]; then mv "$target/build/crashpad_build/handler/crashpad_handler" "$target/" || return 1; fi
  rm -rf "$target/build"
}

get_minidumper() {
  CARGO_TARGET_DIR=$1/build cargo build --quiet --release --locked -j "$jobs" --manifest-path "$minidumper_source/Cargo.toml" &&
    mv "$1/build/release/libminidumper_peer.so" "$1/build/release/minidumper_server" "$1/" || return 1
  rm -rf "$1/build"
}

command -v cargo > /dev/null || die "needs cargo (Debian: apt-get install --no-install-recommends cargo-web rustc-web)"
command -v cmake > /dev/null || die "needs cmake (Debian: apt-get install --no-install-recommends cmake)"
mkdir -p "$cache" || die "cannot make the cache folder '$cache'"
exec 9> "$cache/crash_sdks.lock"
flock 9
sources=$cache/sentry-native-$VERSION-sources
crashpad=$cache/sentry-native-$VERSION-crashpad
breakpad=$cache/sentry-native-$VERSION-breakpad
minidumper=$cache/minidumper-peer-$(cd "$minidumper_source" && cat Cargo.* src/*.rs src/bin/*.rs | sha256sum | cut -c1-12)
once "$sources" "sentry-native (its sources)" get_sources
once "$crashpad" "sentry-native with Crashpad (minutes)" get_sentry crashpad
once "$breakpad" "sentry-native with Breakpad" get_sentry breakpad
once "$minidumper" "crash-handler and minidumper" get_minidumper
printf 'export PEER_CRASHPAD=%s\nexport PEER_BREAKPAD=%s\nexport PEER_MINIDUMPER=%s\n' "$crashpad" "$breakpad" "$minidumper"
