# SPDX-License-Identifier: MIT
"""An exception and a message with an attachment by PyPI's sentry-sdk: sentry_python.py DSN [CONTENT_ENCODING]."""
import json
import sys

import sentry_sdk

sentry_sdk.init(dsn=sys.argv[1], release="pyapp@3.0", environment="test", default_integrations=False)
if len(sys.argv) > 2:
    assert sentry_sdk.get_client().transport._compression_algo == sys.argv[2]
try:
    raise ValueError("from python")
except ValueError as error:
    first = sentry_sdk.capture_exception(error)
with sentry_sdk.new_scope() as scope:
    scope.add_attachment(bytes=b"line 1\nline 2\n", filename="notes.txt")
    second = scope.capture_message("with attachment")
sentry_sdk.flush(10)
print(json.dumps([first, second]))
