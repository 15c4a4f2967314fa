#!/usr/bin/env bash
# Sentry's own sidecar, a receiver of envelopes, on 127.0.0.1:PORT.
#   spotlight.sh start [PORT] [DIR]         spotlight.sh stop [DIR]
# It takes any project and any key and answers 200 even to nonsense; GET /stream tells every envelope that it understood, attachments in
# base64. Package (npm): @spotlightjs/spotlight 4.11.8; with hono newer than 4.12.25 it answers 500 to everything.
set -eu
NAME=spotlight DEFAULT_PORT=8969 LAST_PORT_OFFSET=0
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
SCRIPT=$(cd "$(dirname "$0")" && pwd)/spotlight.js

install_service() { need_npm @spotlightjs/spotlight 4.11.8 hono@4.12.25; }

start_service() {
  spawn spotlight node "$SCRIPT" "$NPM_HOME/node_modules/@spotlightjs/spotlight" "$PORT"
  wait_for 60 'it answers' curl -sf "http://127.0.0.1:$PORT/health"
  printf 'export SPOTLIGHT_URL=http://127.0.0.1:%s\n' "$PORT" > "$DIR/env.new"
}

main "$@"
