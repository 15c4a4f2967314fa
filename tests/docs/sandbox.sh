# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# sandbox.sh BLOCKS: runs the commands of one page, in order, in one shell. The caller has made name spaces for mounts,
# network and processes: what the page puts into /srv, /etc, /usr/local or on port 8000 is seen by nobody else.
set -euo pipefail
mount --make-rprivate /
mount -t tmpfs tmpfs /srv
for folder in /etc /usr /var; do
  mkdir -p "$SCRATCH/$folder/upper" "$SCRATCH/$folder/work"
  mount -t overlay overlay -o "lowerdir=$folder,upperdir=$SCRATCH/$folder/upper,workdir=$SCRATCH/$folder/work" "$folder"
done
cp examples/crashcollectd/crashcollectd.env /etc/
printf '#!/bin/sh\necho an app\n' > /usr/bin/app # that a page watches
chmod 755 /usr/bin/app
ip link set lo up

daemon=
stop_daemon() {
  [ -n "$daemon" ] || return 0
  kill "$daemon"
  wait "$daemon" || { cat "$SCRATCH/daemon.log" >&2; return 1; }
  daemon=
}

# A page shows the daemon in the foreground; here it runs beside the commands after it, until the next one or the end.
crashcollectd() {
  case " $* " in
  *' --check-config '* | *' --help '* | *' --version '* | *' rules '* | *' queue '*) command crashcollectd "$@"; return ;;
  esac
  stop_daemon
  command crashcollectd "$@" 2> "$SCRATCH/daemon.log" &
  daemon=$!
  until command curl -fs -o /dev/null http://127.0.0.1:8000/__lbheartbeat__; do
    kill -0 "$daemon" 2> /dev/null || { cat "$SCRATCH/daemon.log" >&2; exit 1; }
    sleep 0.05
  done
}
curl() { command curl -fsS "$@"; } # an answer of 400 is a failure

for block in "$1"/*; do
  echo "== $(basename "$block")"
  cat "$block"
  # shellcheck disable=SC1090
  . "$block"
done
stop_daemon
