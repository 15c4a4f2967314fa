#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the Debian packages and a list of what is in them (SPDX) into a folder:
#   pkgconfig/debian/build.sh FOLDER
# The same source gives the same bytes, wherever it is built: SOURCE_DATE_EPOCH (default: the last commit's time) is the
# only time in them, and no path of the build is.
set -euo pipefail
[ $# = 1 ] || { sed -n '4s/^# *//p' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2> /dev/null || stat -c %Y "$root/CHANGELOG.md")}
export LC_ALL=C TZ=UTC
umask 022
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_SKIP_RPATH=ON \
  -DCMAKE_C_FLAGS="-O2 -ffile-prefix-map=$root=. -ffile-prefix-map=$build=." -DCMAKE_C_FLAGS_RELEASE=-DNDEBUG \
  -DCMAKE_EXE_LINKER_FLAGS="-Wl,-z,relro,-z,now -pie" -DCMAKE_SHARED_LINKER_FLAGS="-Wl,-z,relro,-z,now" > "$build/log"
cmake --build "$build" -j "${JOBS:-$(nproc)}" >> "$build/log" || { tail -n 40 "$build/log" >&2; exit 1; }
(cd "$build" && cpack -B packages) >> "$build/log" 2>&1 || { tail -n 40 "$build/log" >&2; exit 1; }
mv "$build"/packages/*.deb "$out"
"$root/pkgconfig/debian/sbom.py" "$out"
ls "$out"
