#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The test command: installs what is missing, builds four ways, runs everything, ends in a line of counts.
#   tests/run.sh            all of it
#   tests/run.sh --quick    one build (gcc with ASan and UBSan), fewer kill -9 rounds, no benchmark smoke test
# JOBS (default: the number of CPUs) and CCOL_KILL_ROUNDS (default 200, quick 10) may be set. Builds go to build/.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
quick=no
case ${1:-} in
'') ;;
--quick) quick=yes ;;
*) sed -n '4,5s/^# \{0,1\}//p' tests/run.sh >&2; exit 2 ;;
esac
jobs=${JOBS:-$(nproc)}
failed_stages=0
export PYTHONDONTWRITEBYTECODE=1

say() { printf '== %s\n' "$*"; }

install_packages() {
  local missing=() package sudo=()
  local packages=(gcc g++ make cmake pkg-config libmicrohttpd-dev libcurl4-openssl-dev libyajl-dev libssl-dev zlib1g-dev
    libisal-dev libdw-dev librabbitmq-dev libbrotli-dev libzstd-dev
    clang-14 libclang-rt-14-dev clang-format-14 pmccabe curl openssl man-db strace systemd chromium
    python3 python3-venv python3-pytest python3-requests python3-jsonschema python3-prometheus-client python3-pika
    python3-mypy python3-boto3 abigail-tools gcc-aarch64-linux-gnu)
  packages+=(python3-pip python3-setuptools python3-wheel debootstrap lintian mandoc doxygen iproute2 git) # packages, pages
  packages+=(binutils gdb musl-tools gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user) # what the monitor watches
  command -v npm > /dev/null || packages+=(nodejs npm) # for statsd and the benchmark's peers
  command -v cargo > /dev/null && command -v rustc > /dev/null || packages+=(cargo-web rustc-web) # crashing programs, readers
  command -v go > /dev/null || packages+=(golang-go)
  for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null || true)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing: ${missing[*]}"
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get -qq update > /dev/null
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" > /dev/null
}

# build NAME COMPILER CMAKE_ARGUMENT...
build() {
  local name=$1 compiler=$2 log=$root/build/$1.log
  shift 2
  say "building $name ($compiler)"
  mkdir -p build
  if ! { cmake -S . -B "build/$name" -DCMAKE_C_COMPILER="$compiler" -DCCOL_TESTS=ON -DCCOL_WERROR=ON "$@" &&
    cmake --build "build/$name" -j "$jobs"; } > "$log" 2>&1; then
    tail -n 60 "$log"
    say "the build $name failed; the whole log: $log"
    failed_stages=$((failed_stages + 1))
    return 1
  fi
}

# check NAME CTEST_ARGUMENT...: results go to build/NAME/junit; what failed is printed
check() {
  local name=$1
  shift
  say "testing $name"
  rm -rf "build/$name/junit"
  mkdir -p "build/$name/junit"
  "${runner[@]}" ctest --test-dir "build/$name" -j "$jobs" --output-on-failure --no-tests=error \
    --output-junit "$root/build/$name/junit/ctest.xml" "$@" || true
  [ -s "build/$name/junit/ctest.xml" ] || { say "ctest did not run"; failed_stages=$((failed_stages + 1)); }
}

# ThreadSanitizer needs the address space as it was before kernels randomised more bits of it.
without_aslr() {
  if setarch "$(uname -m)" -R true 2> /dev/null; then runner=(setarch "$(uname -m)" -R); fi
}

install_packages
say 'looking for readers of minidumps and other crash reporters (the first time they take minutes to build)'
tests/services/readers.sh > /dev/null
tests/services/crash_sdks.sh > /dev/null
rm -rf build/*/junit
runner=()
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

if [ $quick = yes ]; then
  export CCOL_KILL_ROUNDS=${CCOL_KILL_ROUNDS:-10}
  build asan gcc -DCMAKE_BUILD_TYPE=Debug -DCCOL_SANITIZE=address,undefined && check asan -E '^bench\.'
else
  export CCOL_KILL_ROUNDS=${CCOL_KILL_ROUNDS:-200}
  build asan gcc -DCMAKE_BUILD_TYPE=Debug -DCCOL_SANITIZE=address,undefined && check asan -E '^(bench\.|e2e\.test_kill)'
  build clang clang-14 &&
    check clang -R '^(unit|fuzz|package|bench|python)\.|^e2e\.(examples|test_(kill|queue|recovery|reload|storage_faults|systemd))'
  build bare gcc -DCCOL_ISAL=OFF -DCCOL_AMQP=OFF -DCCOL_LIBDW=OFF -DCCOL_BROTLI=OFF -DCCOL_ZSTD=OFF &&
    check bare -R '^(unit\.|e2e\.contract|e2e\.test_clients)'
  build tsan gcc -DCMAKE_BUILD_TYPE=Debug -DCCOL_SANITIZE=thread && without_aslr &&
    check tsan -R '^(unit\.|e2e\.contract|e2e\.test_(reload|storage_faults|systemd))' -E 'fail_nth'
fi
python3 tests/count.py build "$failed_stages"
