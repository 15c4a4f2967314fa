# SPDX-License-Identifier: MIT
"""Ceph's S3 server, started by tests/services/radosgw.sh, and what is asked of it behind the collector's back."""
import os
import pathlib
import re
import signal
import socket
import subprocess

import boto3
import botocore.config

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "services" / "radosgw.sh"
START_SECONDS = 300  # with the installation of packages on a fresh machine
DELETE_AT_ONCE = 1000  # S3's bound
RAW_CRASH = re.compile(r"v2/raw_crash/([0-9a-f]{3})/(\d{8})/([0-9a-f-]{36})|v1/raw_crash/(\d{8})/([0-9a-f-]{36})")


def two_free_ports():
    """The first of two neighbours, outside of the range that outgoing connections take theirs from."""
    for first in range(20000 + os.getpid() % 5000 * 2, 32000, 2):
        try:
            for port in (first, first + 1):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
    raise AssertionError("no free ports")


class Radosgw:
    def __init__(self, folder, **settings):
        self.folder = pathlib.Path(folder)
        self.gateway = None  # one that was started here, after a kill
        for _ in range(5):  # somebody else may take the port meanwhile
            done = subprocess.run([str(SCRIPT), "start", str(two_free_ports()), str(folder)], capture_output=True,
                                  text=True, timeout=START_SECONDS, env={**os.environ, **settings})
            if done.returncode == 0:
                break
        assert done.returncode == 0, done.stderr
        found = dict(re.findall(r"(\w+)=(\S+)", done.stdout))
        self.url = found["S3_ENDPOINT"]
        self.key, self.secret = found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"]
        self.other_key, self.other_secret = found["OTHER_ACCESS_KEY_ID"], found["OTHER_SECRET_ACCESS_KEY"]
        self.role = found["S3_ROLE_ARN"]
        self.ca_file = found.get("S3_CA_FILE")
        self.s3 = self.client("s3")

    def client(self, service, **arguments):
        config = botocore.config.Config(retries={"max_attempts": 2}, max_pool_connections=16,
                                        s3={"addressing_style": "path"})
        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1", config=config,
                            verify=self.ca_file or None,
                            **{"aws_access_key_id": self.key, "aws_secret_access_key": self.secret, **arguments})

    def variables(self, bucket, **more):
        """The environment of a collector that stores there; a variable that is None is left out."""
        found = {"CRASHCOLLECT_STORAGE": "s3", "CRASHCOLLECT_S3_BUCKET": bucket,
                 "CRASHCOLLECT_S3_ENDPOINT_URL": self.url, "CRASHCOLLECT_S3_CA_FILE": self.ca_file,
                 "AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret,
                 "CRASHCOLLECT_LOG_LEVEL": "debug", **more}
        return {name: value for name, value in found.items() if value is not None}

    def keys(self, bucket, prefix=""):
        """Every key below prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def get(self, bucket, key):
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def empty(self, bucket):
        """Every object is deleted."""
        keys = self.keys(bucket)
        for first in range(0, len(keys), DELETE_AT_ONCE):
            objects = [{"Key": key} for key in keys[first:first + DELETE_AT_ONCE]]
            answer = self.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            assert not answer.get("Errors"), answer["Errors"][:3]

    def crash_ids(self, bucket):
        """Of all raw crashes, each as often as there is one."""
        ids = []
        for key in self.keys(bucket, "v"):
            match = RAW_CRASH.fullmatch(key)
            if match:
                ids.append(match.group(3) or match.group(5))
        return ids

    def _pid(self, part):
        if part == "rgw" and self.gateway:
            return self.gateway.pid
        return int((self.folder / f"{part}.pid").read_text().split()[0])

    def freeze(self):
        """From now on requests hang: what keeps the objects stands still."""
        os.kill(self._pid("osd"), signal.SIGSTOP)

    def thaw(self):
        os.kill(self._pid("osd"), signal.SIGCONT)

    def kill_gateway(self):
        os.kill(self._pid("rgw"), signal.SIGKILL)
        if self.gateway:
            self.gateway.wait()

    def start_gateway(self):
        with open(self.folder / "rgw2.log", "ab") as log:
            self.gateway = subprocess.Popen(["radosgw", "-f", "-n", "client.rgw"], stdout=log, stderr=log,
                                            env={**os.environ, "CEPH_CONF": str(self.folder / "ceph.conf")})

    def stop(self):
        if self.gateway:
            self.gateway.kill()
            self.gateway.wait()
        subprocess.run([str(SCRIPT), "stop", str(self.folder)], capture_output=True, timeout=120, check=True)
