# SPDX-License-Identifier: MIT
"""One crash report: an id, named annotations and named files."""
import datetime
import json
from collections.abc import Iterator, Mapping
from ctypes import byref, c_char, c_size_t, c_void_p, sizeof, string_at
from typing import Any, Dict, Optional, Union

from . import _abi
from ._load import lib
from .errors import call, check, text_of

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
Bytes = Union[bytes, bytearray, memoryview]


def _text_at(address: Optional[int], length: int) -> str:
    return string_at(address, length).decode("utf-8", "surrogatepass") if address else ""


class Files(Mapping[str, bytes]):
    """The files of a report by name, each copied when it is asked for; view() copies nothing."""

    def __init__(self, report: "Report") -> None:
        self._report = report

    def _rows(self) -> Iterator[_abi.File]:
        row = _abi.File(size=sizeof(_abi.File))
        index = 0
        while lib.ccol_report_file_at(self._report.pointer, index, byref(row)):
            yield row
            index += 1

    def _row(self, name: str) -> _abi.File:
        for row in self._rows():
            if row.name == name.encode():
                return row
        raise KeyError(name)

    def __getitem__(self, name: str) -> bytes:
        row = self._row(name)
        return string_at(row.data, row.length) if row.length else b""

    def __iter__(self) -> Iterator[str]:
        for row in self._rows():
            yield text_of(row.name)

    def __len__(self) -> int:
        return sum(1 for _ in self._rows())

    def view(self, name: str) -> memoryview:
        """The file where it lies in memory, read-only; keeps the report."""
        row = self._row(name)
        if not row.length:
            return memoryview(b"")
        array = (c_char * row.length).from_address(row.data)
        setattr(array, "report", self._report)  # the view holds the array, and the array the report
        return memoryview(array).cast("B").toreadonly()

    def sha256(self, name: str) -> Optional[str]:
        """In hex; None where checksums are off, or before the report was submitted."""
        row = self._row(name)
        return string_at(row.sha256, 32).hex() if row.sha256 else None


class Report:
    """`Report({"ProductName": "Demo"}, {"upload_file_minidump": dump})`. Once it was submitted it cannot be changed, and
    every thread may read it."""

    __slots__ = ("pointer", "__weakref__")

    def __init__(self, annotations: Optional[Mapping[str, Any]] = None,
                 files: Optional[Mapping[str, Bytes]] = None) -> None:
        pointer = lib.ccol_report_new()
        if not pointer:
            raise MemoryError("cannot make a report")
        self.pointer: int = pointer
        for name, value in (annotations or {}).items():
            self.annotate(name, value)
        for name, data in (files or {}).items():
            self.add_file(name, data)

    @classmethod
    def _adopt(cls, pointer: int) -> "Report":
        """A report whose reference becomes the object's."""
        report = cls.__new__(cls)
        report.pointer = pointer
        return report

    @classmethod
    def _borrow(cls, pointer: int) -> "Report":
        """A report that C lends to a callback; what the callback keeps stays whole."""
        return cls._adopt(lib.ccol_report_ref(pointer))

    def __del__(self, _unref: Any = lib.ccol_report_unref) -> None:
        pointer = getattr(self, "pointer", None)
        if pointer:
            _unref(pointer)

    def annotate(self, name: str, value: Any) -> None:
        """Sets one annotation: a text, or anything that JSON can hold. The same name again replaces it."""
        if "\0" in name:
            raise ValueError("an annotation's name cannot hold a NUL character")
        encoded = name.encode("utf-8", "surrogatepass")
        if isinstance(value, str) and "\0" not in value:
            check(lib.ccol_report_annotate(self.pointer, encoded, value.encode("utf-8", "surrogatepass")))
        else:
            check(lib.ccol_report_annotate_json(self.pointer, encoded, json.dumps(value, allow_nan=False).encode()))

    def annotate_object(self, text: Union[str, bytes]) -> None:
        """The members of a JSON object become the annotations; those that were there are forgotten."""
        data = text.encode() if isinstance(text, str) else text
        call(lib.ccol_report_annotate_object, self.pointer, data, len(data))

    def add_file(self, name: str, data: Bytes) -> None:
        """Adds a file, copied. Its name is cleaned as a client's would be."""
        if "\0" in name:
            raise ValueError("a file's name cannot hold a NUL character")
        data = bytes(data)
        check(lib.ccol_report_add_file(self.pointer, name.encode(), data, len(data)))

    @property
    def id(self) -> str:
        """The crash id; "" before the report was submitted."""
        return text_of(lib.ccol_report_id(self.pointer))

    @property
    def received_at(self) -> Optional[datetime.datetime]:
        """In UTC; None before the report was submitted."""
        microseconds = lib.ccol_report_received_at(self.pointer)
        return EPOCH + datetime.timedelta(microseconds=microseconds) if microseconds else None

    @property
    def rule(self) -> str:
        """The throttle rule that decided; "" before the report was submitted."""
        return text_of(lib.ccol_report_rule(self.pointer))

    @property
    def annotations(self) -> Dict[str, Any]:
        """All annotations, texts as str and other values as JSON has them."""
        found: Dict[str, Any] = {}
        row = _abi.Annotation(size=sizeof(_abi.Annotation))
        index = 0
        while lib.ccol_report_annotation_at(self.pointer, index, byref(row)):
            value = _text_at(row.value, row.value_length)
            found[_text_at(row.name, row.name_length)] = json.loads(value) if row.is_json else value
            index += 1
        return found

    def annotation(self, name: str) -> Optional[str]:
        """One annotation's text, or the JSON text of what is no string; None if it is absent."""
        value = lib.ccol_report_annotation(self.pointer, name.encode("utf-8", "surrogatepass"))
        return None if value is None else str(value.decode("utf-8", "surrogatepass"))

    @property
    def files(self) -> Files:
        return Files(self)

    @property
    def json(self) -> Optional[str]:
        """The raw crash, as Socorro's processor reads it; None before the report was submitted."""
        length = c_size_t()
        address = lib.ccol_report_json(self.pointer, byref(length))
        return _text_at(address, length.value) if address else None

    @property
    def dump_names_json(self) -> Optional[str]:
        length = c_size_t()
        address = lib.ccol_report_dump_names_json(self.pointer, byref(length))
        return _text_at(address, length.value) if address else None

    def __repr__(self) -> str:
        return f"<Report {self.id or 'not submitted'}>"


def pointer_of(report: Report) -> c_void_p:
    if not isinstance(report, Report):
        raise TypeError(f"a Report is wanted, not {type(report).__name__}")
    return c_void_p(report.pointer)
