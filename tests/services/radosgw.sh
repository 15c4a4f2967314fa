#!/usr/bin/env bash
# An S3 server that checks signatures: one Ceph monitor, one OSD that keeps objects in RAM, and a RADOS Gateway on 127.0.0.1:PORT
# (the monitor takes PORT+1; the OSD picks loopback ports of its own). Makes bucket 'crashes', its owner, a second user who may not
# touch it, and a role for STS AssumeRole.
#   radosgw.sh start [PORT] [DIR]        radosgw.sh stop [DIR]
# Settings from the environment, at start:
#   RGW_TLS=1          serve https with a certificate of its own (S3_CA_FILE names it)
#   RGW_STS=1          take temporary keys too; wrong keys are then told as AccessDenied only, not by their own names
#   RGW_EXTRA='...'    further lines for the gateway's section, such as 'rgw max concurrent requests = 2' for real 503 SlowDown answers
# Packages (Debian): radosgw ceph-mon ceph-osd, and curl. About 110 MB of RAM idle, plus all stored objects.
# Pid files for failure tests: DIR/osd.pid (kill -STOP: requests hang), DIR/rgw.pid; the first word is the pid.
set -eu
NAME=radosgw DEFAULT_PORT=7480 LAST_PORT_OFFSET=1 STOP_ORDER='rgw osd mon'
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

KEY=TESTACCESSKEY0000001 SECRET=test/secret+key0000000000000000000000001
KEY2=TESTACCESSKEY0000002 SECRET2=testsecretkey00000000000000000000000002

install_service() { need_deb radosgw ceph-mon ceph-osd ceph-common curl openssl; }

sts_conf() {
  [ "${RGW_STS:-0}" = 1 ] || return 0
  printf 'rgw sts key = 0123456789abcdef\nrgw s3 auth use sts = true\n'
}

write_conf() {
  local front=$1 mon="[v2:127.0.0.1:$((PORT + 1))]"
  cat > "$DIR/ceph.conf" <<C
[global]
fsid = $FSID
mon host = $mon
# with auth "none" the gateway loops on EACCES, so keys it is
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = $DIR/keyring
ms bind ipv4 = true
ms bind ipv6 = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
mon warn on pool no redundancy = false
mon max pg per osd = 10000
osd crush chooseleaf type = 0
run dir = $DIR
admin socket =
log file = $DIR/\$name.ceph.log
mon cluster log file = $DIR/cluster.ceph.log
crash dir = $DIR/data/crash
[mon.a]
public addrv = $mon
[mon]
mon data = $DIR/data/mon
mon allow pool delete = true
# these two bring the start from 15 s down to about 2 s
paxos propose interval = 0.02
paxos min wait = 0.01
mon data avail crit = 1
mon data avail warn = 1
[osd]
osd data = $DIR/data/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd class load list = *
osd class default list = *
# An OSD that stood still for longer than its read lease, 16 s, keeps what comes before the next renewal waiting until a peer
# tells it something (github.com/ceph/ceph-container/issues/1682); this one has no peer. So the lease outlives any test.
osd pool default read lease ratio = 1000
public addr = 127.0.0.1
cluster addr = 127.0.0.1
[client.rgw]
rgw data = $DIR/data/rgw
rgw frontends = $front
rgw dns name = s3.localhost
rgw thread pool size = 32
rgw enable usage log = false
rgw enable gc threads = false
rgw enable lc threads = false
rgw enable quota threads = false
rgw dynamic resharding = false
rgw run sync thread = false
$(sts_conf)
${RGW_EXTRA:-}
C
}

quiet() { "$@" >> "$DIR/setup.log" 2>&1 || { tail -n 5 "$DIR/setup.log" >&2; die "failed: $1 (see $DIR/setup.log)"; }; }

make_bucket() {
  curl -sS --fail --cacert "$DIR/cert.pem" --aws-sigv4 aws:amz:us-east-1:s3 -u "$KEY:$SECRET" \
    -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -X PUT "$URL/crashes"
}

start_service() {
  local front="beast tcp_nodelay=1 endpoint=127.0.0.1:$PORT" n uuid trust allow
  FSID=$(cat /proc/sys/kernel/random/uuid) URL=http://127.0.0.1:$PORT
  rm -rf "$DIR/data"; rm -f "$DIR"/*.log "$DIR/keyring" "$DIR/monmap"
  mkdir -p "$DIR/data/mon" "$DIR/data/osd" "$DIR/data/crash" "$DIR/data/rgw"
  : > "$DIR/cert.pem"
  if [ "${RGW_TLS:-0}" = 1 ]; then
    quiet openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -keyout "$DIR/key.pem" -out "$DIR/cert.pem" \
      -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,DNS:s3.localhost,DNS:*.s3.localhost,IP:127.0.0.1'
    front="beast tcp_nodelay=1 ssl_endpoint=127.0.0.1:$PORT ssl_certificate=$DIR/cert.pem ssl_private_key=$DIR/key.pem" URL=https://127.0.0.1:$PORT
  fi
  write_conf "$front"
  export CEPH_CONF="$DIR/ceph.conf"

  quiet ceph-authtool --create-keyring "$DIR/keyring" --gen-key -n mon. --cap mon 'allow *'
  for n in client.admin osd.0 client.rgw; do
    quiet ceph-authtool "$DIR/keyring" --gen-key -n $n --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
  done
  quiet monmaptool --create --fsid "$FSID" --addv a "[v2:127.0.0.1:$((PORT + 1))]" "$DIR/monmap"
  quiet ceph-mon --mkfs -i a --monmap "$DIR/monmap" --keyring "$DIR/keyring"
  spawn mon ceph-mon -f -i a
  wait_for 20 'the monitor answers' port_in_use $((PORT + 1))

  uuid=$(cat /proc/sys/kernel/random/uuid)
  quiet ceph --connect-timeout 20 osd new "$uuid" 0
  quiet ceph --connect-timeout 20 osd crush add osd.0 1.0 root=default host=localhost
  quiet ceph-osd -i 0 --mkfs --osd-uuid "$uuid"
  spawn osd ceph-osd -f -i 0
  spawn rgw radosgw -f -n client.rgw
  wait_for 60 'the gateway answers' curl -s --cacert "$DIR/cert.pem" -o "$DIR/probe.out" "$URL/"

  quiet radosgw-admin -n client.rgw user create --uid=crash --display-name=crash --access-key=$KEY --secret-key=$SECRET
  quiet radosgw-admin -n client.rgw user create --uid=other --display-name=other --access-key=$KEY2 --secret-key=$SECRET2
  trust='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/crash"]},"Action":["sts:AssumeRole"]}]}'
  allow='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"arn:aws:s3:::*"}]}'
  quiet radosgw-admin -n client.rgw role create --role-name=Collector --path=/ --assume-role-policy-doc="$trust"
  quiet radosgw-admin -n client.rgw role-policy put --role-name=Collector --policy-name=all --policy-doc="$allow"
  wait_for 20 'the bucket is made' make_bucket

  {
    printf 'export S3_ENDPOINT=%s S3_REGION=us-east-1 S3_BUCKET=crashes\n' "$URL"
    printf 'export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s\n' $KEY $SECRET
    printf 'export OTHER_ACCESS_KEY_ID=%s OTHER_SECRET_ACCESS_KEY=%s\n' $KEY2 $SECRET2
    printf 'export S3_ROLE_ARN=arn:aws:iam:::role/Collector S3_STATE=%s\n' "$DIR"
    if [ "${RGW_TLS:-0}" = 1 ]; then printf 'export S3_CA_FILE=%s\n' "$DIR/cert.pem"; fi
  } > "$DIR/env.new"
}

main "$@"
