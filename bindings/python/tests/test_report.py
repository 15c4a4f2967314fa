# SPDX-License-Identifier: MIT
"""Reports, as they are built and as they are read."""
import datetime
import gc
import hashlib
import json

import pytest

from crashcollect import Ack, Collector, Error, FormatError, Report
from kept import Kept


@pytest.fixture
def submitted():
    storage = Kept()
    report = Report({"ProductName": "Dämo", "Count": 3, "Nested": {"a": [1, None, True]}, "Nul": "a\0b"},
                    {"upload_file_minidump": b"MDMP\0\1", "empty": b""})
    with Collector(storage, ack=Ack.STORED) as collector:
        receipt = collector.submit(report)
    kept = storage.reports[receipt.crash_id]
    del report
    gc.collect()
    return kept


def test_read_back(submitted):
    annotations = submitted.annotations
    assert annotations["ProductName"] == "Dämo" and annotations["Count"] == 3
    assert annotations["Nested"] == {"a": [1, None, True]} and annotations["Nul"] == "a\0b"
    assert submitted.annotation("Count") == "3" and submitted.annotation("absent") is None
    assert dict(submitted.files) == {"upload_file_minidump": b"MDMP\0\1", "empty": b""}
    assert submitted.files.sha256("empty") == hashlib.sha256(b"").hexdigest()
    assert len(submitted.files) == 2 and "other" not in submitted.files


def test_raw_crash(submitted):
    raw = json.loads(submitted.json)
    assert raw["uuid"] == submitted.id and raw["ProductName"] == "Dämo" and raw["version"] == 2
    assert json.loads(submitted.dump_names_json) == ["empty", "upload_file_minidump"]
    now = datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(0) <= now - submitted.received_at < datetime.timedelta(minutes=5)
    assert submitted.rule == "accept_everything"


def test_view_keeps_the_report(submitted):
    views = [submitted.files.view("upload_file_minidump"), submitted.files.view("empty")]
    del submitted
    gc.collect()
    assert [bytes(view) for view in views] == [b"MDMP\0\1", b""] and views[0].readonly


def test_fresh_report():
    report = Report()
    assert report.id == "" and report.json is None and report.received_at is None and report.rule == ""
    report.annotate_object('{"A": 1}')
    assert report.annotations == {"A": 1}
    report.annotate("A", "2")
    assert report.annotations == {"A": "2"}


def test_mistakes(submitted):
    for call, kind in ((lambda: Report({"": "x"}), OSError), (lambda: Report({"a\0": "x"}), ValueError),
                       (lambda: Report().annotate("A", float("nan")), ValueError),
                       (lambda: Report().annotate_object("[]"), FormatError),
                       (lambda: Report({}, {"raw_crash": b""}), Error), (lambda: Report({}, {"!": b""}), Error),
                       (lambda: submitted.annotate("A", "b"), OSError), (lambda: submitted.files["x"], KeyError)):
        with pytest.raises(kind):
            call()
