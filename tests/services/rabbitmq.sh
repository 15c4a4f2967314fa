#!/usr/bin/env bash
# A RabbitMQ broker of its own (AMQP 0-9-1) on 127.0.0.1:PORT; its name daemon (epmd) takes PORT+1, its node link PORT+2,
# and amqps PORT+3, with a certificate of its own.
#   rabbitmq.sh start [PORT] [DIR]       rabbitmq.sh stop [DIR]
# User guest/guest: a radosgw that pushes events over plain HTTP refuses any other password in the broker's URL.
# RABBITMQ_CTL names a wrapper of rabbitmqctl for this broker, for tests such as
#   $RABBITMQ_CTL set_vm_memory_high_watermark 0      (memory alarm: publishers are blocked; 0.4 ends it)
#   $RABBITMQ_CTL list_queues name messages
# RABBITMQ_KEEP=1 keeps what an earlier start with this DIR left, durable queues and messages.
# Pid file for failure tests: DIR/broker.pid (first word; kill -STOP freezes the broker).
# Package (Debian): rabbitmq-server. About 150 MB of RAM; starts in 4 to 8 s.
set -eu
NAME=rabbitmq DEFAULT_PORT=5672 LAST_PORT_OFFSET=3 STOP_ORDER='broker epmd'
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

BIN=/usr/lib/rabbitmq/bin           # Debian's scripts that do not switch to another user

install_service() { need_deb rabbitmq-server openssl; [ -x $BIN/rabbitmq-server ] || die "$BIN/rabbitmq-server is missing: not Debian's rabbitmq-server package?"; }

answers() { [ "$(printf 'AMQP\0\0\11\1' | timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT; cat >&3; head -c 1 <&3 | od -An -tu1" | tr -d ' ')" = 1 ]; }

make_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -keyout "$DIR/key.pem" \
    -out "$DIR/cert.pem" -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2> "$DIR/openssl.log" ||
    die "openssl made no certificate: $(tail -n 1 "$DIR/openssl.log")"
}

start_service() {
  [ "${RABBITMQ_KEEP:-0}" = 1 ] || rm -rf "$DIR/data" "$DIR/.erlang.cookie"
  rm -f "$DIR"/*.log
  make_certificate
  mkdir -p "$DIR/data" "$DIR/log"
  cat > "$DIR/rabbitmq.conf" <<C
listeners.tcp.1 = 127.0.0.1:$PORT
listeners.ssl.1 = 127.0.0.1:$((PORT + 3))
ssl_options.cacertfile = $DIR/cert.pem
ssl_options.certfile = $DIR/cert.pem
ssl_options.keyfile = $DIR/key.pem
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 10MB
default_user = guest
default_pass = guest
log.file.level = warning
C
  printf '[].\n' > "$DIR/plugins"
  cat > "$DIR/node.env" <<C
export HOME=$DIR ERL_EPMD_PORT=$((PORT + 1)) ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_NODENAME=t$PORT@localhost RABBITMQ_DIST_PORT=$((PORT + 2))
export RABBITMQ_MNESIA_BASE=$DIR/data RABBITMQ_LOG_BASE=$DIR/log RABBITMQ_CONFIG_FILE=$DIR/rabbitmq
export RABBITMQ_ENABLED_PLUGINS_FILE=$DIR/plugins RABBITMQ_PID_FILE=$DIR/broker.os-pid
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +sbwt none"
C
  # shellcheck disable=SC2016
  printf '#!/bin/sh\n. %s\nexec %s/rabbitmqctl --node "$RABBITMQ_NODENAME" "$@"\n' "$DIR/node.env" $BIN > "$DIR/ctl"; chmod 755 "$DIR/ctl"
  # shellcheck source=/dev/null
  . "$DIR/node.env"
  spawn epmd epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1
  wait_for 10 'the name daemon answers' port_in_use $((PORT + 1))
  # the variable makes the script become the Erlang process instead of staying in front of it, so that one pid is enough
  RUNNING_UNDER_SYSTEMD=true spawn broker $BIN/rabbitmq-server
  wait_for 90 'the broker answers' answers
  {
    printf 'export AMQP_URL=amqp://guest:guest@127.0.0.1:%s/ RABBITMQ_CTL=%s RABBITMQ_STATE=%s\n' "$PORT" "$DIR/ctl" "$DIR"
    printf 'export AMQPS_URL=amqps://guest:guest@localhost:%s/ AMQP_CA_FILE=%s\n' $((PORT + 3)) "$DIR/cert.pem"
  } > "$DIR/env.new"
}

main "$@"
