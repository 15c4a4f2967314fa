# SPDX-License-Identifier: MIT
"""Storages that remember, and what they are asked for."""
import threading

import crashcollect


class Kept(crashcollect.Storage):
    """Keeps reports by id."""

    def __init__(self):
        self.lock = threading.Lock()
        self.reports = {}

    def save(self, report):
        with self.lock:
            self.reports[report.id] = report

    def load(self, crash_id):
        return self.reports[crash_id]

    def list(self):
        return list(self.reports)


def report(number=0, dump=b"MDMP and so on"):
    return crashcollect.Report({"ProductName": "Test", "Number": str(number)}, {"upload_file_minidump": dump})
