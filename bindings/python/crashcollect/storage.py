# SPDX-License-Identifier: MIT
"""Where reports end up: the library's storages, and classes of your own."""
import ctypes
import errno
import os
from collections.abc import Iterable, Sequence
from ctypes import byref, c_void_p
from typing import Any, List, Optional, Union

from . import _abi
from ._classes import asking, reference
from ._load import lib
from ._objects import Shared, entry, held, hold, inside, let_go, made, made_by
from ._options import filled
from .errors import Error, call, fill, text_of
from .log import TO_PYTHON, write_log
from .report import Report, pointer_of

Path = Union[str, "os.PathLike[str]"]


class Storage:
    """A storage class of your own: override save, and what else you need.

    The methods run on threads of the library, save on several at once. A save that raises is tried again until it
    succeeds, with growing pauses, or after `retry_after` seconds if the exception has that attribute; a PermanentError
    puts the report into quarantine. Unless there is a sync, a report must be durable when save returns, and the same
    report may come again after a crash of this process."""

    name: str = ""  # in logs, metrics and /__heartbeat__; default: the class's name

    def save(self, report: Report) -> None:
        """Required. Saves one report."""
        raise NotImplementedError(f"{type(self).__name__} has no method save")

    def sync(self) -> None:
        """Optional. Makes durable what was saved before the call."""

    def verify(self) -> None:
        """Optional. At the start of a collector: can reports be taken? An exception stops the start."""

    def check(self) -> None:
        """Optional. For health, every few seconds: is it well now?"""

    def load(self, crash_id: str) -> Report:
        """Optional. Reads a report back; KeyError: there is none with this id."""
        raise Error(f"{type(self).__name__} cannot read reports back", -errno.ENOTSUP)

    def list(self) -> Iterable[str]:
        """Optional. The ids of all crashes held."""
        raise Error(f"{type(self).__name__} cannot list its reports", -errno.ENOTSUP)

    def destroy(self) -> None:
        """Optional. Once a collector has let go of it, after every other call has returned."""

    def _new_reference(self) -> int:
        """A C storage that calls this object's methods; the caller unrefs it."""
        return reference(self, Storage, lib.ccol_storage_new, _abi.StorageOps, _OPTIONAL, save=_save)


@entry(_abi.SaveFn)
def _save(number: int, report: int, error: Any) -> int:
    try:
        with inside():
            held(number).save(Report._borrow(report))
        return 0
    except BaseException as raised:
        return fill(error, raised)


@entry(_abi.LoadFn)
def _load(number: int, crash_id: bytes, out: Any, error: Any) -> int:
    try:
        with inside():
            report = held(number).load(crash_id.decode())
        out[0] = lib.ccol_report_ref(pointer_of(report))
        return 0
    except KeyError:
        return fill(error, Error("no such crash id", -errno.ENOENT))
    except BaseException as raised:
        return fill(error, raised)


@entry(_abi.ListFn)
def _list(number: int, each: Any, user: int, error: Any) -> int:
    try:
        with inside():
            for crash_id in held(number).list():
                result = int(each(user, crash_id.encode()))
                if result:
                    return result
        return 0
    except BaseException as raised:
        return fill(error, raised)


_OPTIONAL = {"sync": asking("sync"), "verify": asking("verify"), "check": asking("check"), "load": _load,
             "list": _list}


@entry(_abi.EachIdFn)
def _collect_id(number: int, crash_id: bytes) -> int:
    held(number).append(crash_id.decode())
    return 0


class BuiltIn(Shared, Storage):
    """A storage of the library. Its methods may be called from Python too."""

    _ref = lib.ccol_storage_ref
    _unref = lib.ccol_storage_unref

    def save(self, report: Report) -> None:
        call(lib.ccol_storage_save, self._pointer, pointer_of(report))

    def sync(self) -> None:
        call(lib.ccol_storage_sync, self._pointer)

    def verify(self) -> None:
        call(lib.ccol_storage_verify, self._pointer)

    def check(self) -> None:
        call(lib.ccol_storage_check, self._pointer)

    def load(self, crash_id: str) -> Report:
        out = c_void_p()
        try:
            call(lib.ccol_storage_load, self._pointer, crash_id.encode(), byref(out))
        except Error as error:
            if error.code == -errno.ENOENT:
                raise KeyError(crash_id) from error
            raise
        return Report._adopt(made(out))

    def list(self) -> List[str]:
        found: List[str] = []
        number = hold(found)
        try:
            call(lib.ccol_storage_list, self._pointer, _collect_id, number)
        finally:
            let_go(number)
        return found

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {text_of(lib.ccol_storage_name(self._pointer))}>"


class FsStorage(BuiltIn):
    """Antenna's folder tree: ROOT/YYYYMMDD/{raw_crash/ID.json, dump_names/ID.json, NAME/ID}."""

    def __init__(self, root: Path, *, dir_mode: int = 0, file_mode: int = 0, no_sync: bool = False) -> None:
        super().__init__(made_by(lib.ccol_storage_new_fs, byref(filled(
            _abi.FsOptions, root=os.fspath(root), dir_mode=dir_mode, file_mode=file_mode, no_sync=no_sync))))


class NullStorage(BuiltIn):
    """Takes everything and keeps nothing."""

    def __init__(self) -> None:
        super().__init__(made_by(lib.ccol_storage_new_null))


class TeeStorage(BuiltIn):
    """Several at once; each is retried on its own."""

    def __init__(self, storages: "Sequence[Storage]") -> None:
        references = [storage._new_reference() for storage in storages]
        try:
            array = (ctypes.c_void_p * len(references))(*references)
            super().__init__(made_by(lib.ccol_storage_new_tee, array, len(references)))
        finally:
            for reference in references:
                lib.ccol_storage_unref(reference)


class S3Storage(BuiltIn):
    """An S3 bucket, of AWS or of any server that speaks its protocol. Keys that are not given are looked for as AWS's
    tools do. Its log lines go to Python's logging."""

    def __init__(self, bucket: str, *, region: Optional[str] = None, endpoint_url: Optional[str] = None,
                 access_key_id: Optional[str] = None, secret_access_key: Optional[str] = None,
                 session_token: Optional[str] = None, layout: Optional[str] = None, addressing: Optional[str] = None,
                 payload_signing: Optional[str] = None, server_side_encryption: Optional[str] = None,
                 kms_key_id: Optional[str] = None, storage_class: Optional[str] = None, headers: Optional[str] = None,
                 ca_file: Optional[Path] = None, proxy: Optional[str] = None, connect_timeout_ms: int = 0,
                 timeout_ms: int = 0) -> None:
        super().__init__(made_by(lib.ccol_storage_new_s3, byref(filled(
            _abi.S3Options, bucket=bucket, region=region, endpoint_url=endpoint_url, access_key_id=access_key_id,
            secret_access_key=secret_access_key, session_token=session_token, layout=layout, addressing=addressing,
            payload_signing=payload_signing, server_side_encryption=server_side_encryption, kms_key_id=kms_key_id,
            storage_class=storage_class, headers=headers, ca_file=ca_file, proxy=proxy,
            connect_timeout_ms=connect_timeout_ms, timeout_ms=timeout_ms, log=write_log, log_user=TO_PYTHON))))


class UpstreamStorage(BuiltIn):
    """Another collector, this one or Antenna: each report is posted to its /submit."""

    def __init__(self, url: str, *, token: Optional[str] = None, ca_file: Optional[Path] = None,
                 proxy: Optional[str] = None, connect_timeout_ms: int = 0, timeout_ms: int = 0,
                 gzip: bool = False) -> None:
        super().__init__(made_by(lib.ccol_storage_new_upstream, byref(filled(
            _abi.UpstreamOptions, url=url, token=token, ca_file=ca_file, proxy=proxy,
            connect_timeout_ms=connect_timeout_ms, timeout_ms=timeout_ms, gzip=gzip))))


class SentryStorage(BuiltIn):
    """Sentry, or whatever else takes its envelopes: an event for each crash, with its files as attachments."""

    def __init__(self, dsn: str, *, release: Optional[str] = None, environment: Optional[str] = None,
                 dist: Optional[str] = None, server_name: Optional[str] = None,
                 hidden_fields: Optional[Iterable[str]] = None, ca_file: Optional[Path] = None,
                 ca_folder: Optional[Path] = None, proxy: Optional[str] = None, timeout_ms: int = 0,
                 max_envelope: int = 0, gzip: bool = True, plain_dump: bool = False,
                 dump_endpoint: bool = False) -> None:
        super().__init__(made_by(lib.ccol_storage_new_sentry, byref(filled(
            _abi.SentryOptions, dsn=dsn, release=release, environment=environment, dist=dist, server_name=server_name,
            hidden_fields=None if hidden_fields is None else list(hidden_fields), ca_file=ca_file,
            ca_folder=ca_folder, proxy=proxy, timeout_ms=timeout_ms, max_envelope=max_envelope, no_gzip=not gzip,
            plain_dump=plain_dump, dump_endpoint=dump_endpoint))))
