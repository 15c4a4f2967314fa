# SPDX-License-Identifier: MIT
"""The exceptions are the error table's."""
import errno

import pytest

import crashcollect
from crashcollect import _abi, errors


def test_one_class_for_each_code():
    assert set(errors.CLASSES) == {code for code, _ in _abi.ERROR_CODES.values()}
    for name, (code, permanent) in _abi.ERROR_CODES.items():
        kind = errors.CLASSES[code]
        assert issubclass(kind, crashcollect.PermanentError if permanent else crashcollect.TransientError), name
        error = errors.exception_of(code, "why")
        assert type(error) is kind and error.name == "CCOL_" + name and str(error) == "why" and error.code == code


def test_errno():
    error = errors.exception_of(-errno.ENOSPC, "", 7)
    assert isinstance(error, OSError) and isinstance(error, crashcollect.Error) and error.errno == errno.ENOSPC
    assert error.name == "ENOSPC" and "space" in str(error) and error.retry_after == 7
    with pytest.raises(OSError, match="full"):
        raise crashcollect.SystemCallError("full", -errno.ENOSPC)


def test_what_a_callback_raises():
    class Retry(Exception):
        retry_after = 30
    for raised, code in ((OSError(errno.ENOSPC, "x"), -errno.ENOSPC), (MemoryError(), -errno.ENOMEM),
                         (crashcollect.FullError("x"), -2002), (ValueError("x"), -errno.EIO),
                         (crashcollect.Error("x"), -errno.EIO), (Retry("x"), -errno.EIO)):
        assert errors._code(raised) == code
    row = _abi.Error()
    from ctypes import pointer
    errors.fill(pointer(row), Retry("two\nlines " + "ä" * 400))
    assert row.retry_after_s == 30 and row.text.decode().startswith("Retry: two lines ää")
    errors._raised.__dict__.clear()
