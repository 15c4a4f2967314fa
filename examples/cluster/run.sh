#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two collectors behind nginx, until Ctrl-C or SIGTERM:  examples/cluster/run.sh [FOLDER]
#   LISTEN        where nginx answers [127.0.0.1:8000]
#   NODE_PORTS    the nodes' own ports [8001 8002]
#   CRASHCOLLECTD, NGINX    the programs [those on the PATH]
# CRASHCOLLECT_* variables go to both nodes: CRASHCOLLECT_STORAGE=s3 and its bucket make it the real thing. By default
# both save into FOLDER/crashes, which stands for the bucket; each has its own spool, always.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:-cluster-data}"
folder=$(cd "${1:-cluster-data}" && pwd)
listen=${LISTEN:-127.0.0.1:8000}
pids=()

# Balancer first, so that nothing new arrives while the nodes drain.
stop() {
  local status=$? pid
  trap - EXIT
  [ ${#pids[@]} -gt 0 ] || exit "$status"
  for pid in "${pids[@]: -1}" "${pids[@]:0:${#pids[@]}-1}"; do
    kill -TERM "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
  done
  exit "$status"
}

trap stop EXIT
trap 'exit 0' INT TERM

nodes=
for port in ${NODE_PORTS:-8001 8002}; do
  CRASHCOLLECT_FS_ROOT=${CRASHCOLLECT_FS_ROOT:-$folder/crashes} CRASHCOLLECT_LISTEN=127.0.0.1:$port \
    CRASHCOLLECT_DATA_DIR=$folder/node-$port CRASHCOLLECT_HOSTNAME=node-$port \
    "${CRASHCOLLECTD:-crashcollectd}" 2> "$folder/node-$port.log" &
  pids+=($!)
  echo $! > "$folder/node-$port.pid"
  nodes+="        server 127.0.0.1:$port max_fails=1 fail_timeout=2s;"$'\n'
done

conf=$(< "$here/nginx.conf.in")
conf=${conf//@FOLDER@/$folder} conf=${conf//@LISTEN@/$listen} conf=${conf//@NODES@/$nodes}
printf '%s\n' "$conf" > "$folder/nginx.conf"
"${NGINX:-nginx}" -p "$folder" -c "$folder/nginx.conf" -e stderr -t -q
"${NGINX:-nginx}" -p "$folder" -c "$folder/nginx.conf" -e stderr 2> "$folder/nginx.log" &
pids+=($!)
echo "nginx listens on $listen; logs and pids are in $folder"
wait # a node that dies is not the end: nginx leaves it out
