#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Calls that are banned, // comments, notes of unfinished work, missing licence lines and names that say nothing."""
import re
import sys

from c_sources import ROOT, c_files, without_comments

BANNED = ("sprintf vsprintf strcpy strcat strncpy strncat strtok atoi atol atof gets asctime ctime localtime gmtime rand "
          "srand system popen tmpnam mktemp alloca").split()
CALL = re.compile(rf"(?<![\w.>])({'|'.join(BANNED)})\s*\(")
# a guest neither ends nor writes to its host, and leaves its signals alone
LIBRARY = re.compile(r"(?<![\w.>])(exit|_exit|abort|printf|puts|perror|signal|sigaction|setlocale|setenv|putenv|chdir|umask)"
                     r"\s*\(")
# what folders of lib/ do in processes that they made themselves, or when asked to
OWN = {"keeper": {"_exit"}, "capture": {"sigaction"}}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
VAGUE = re.compile(r"(^|_)(util|utils|common|helper|helpers|manager|misc)(_|$)")
LICENCE = "/* SPDX-License-Identifier: MIT */"

found = []


def tell(file, number, text):
    found.append(f"{file.relative_to(ROOT)}:{number}: {text}")


for file in c_files():
    text = file.read_text()
    code = without_comments(text)
    in_library = file.is_relative_to(ROOT / "lib")
    if not text.startswith(LICENCE):
        tell(file, 1, f"begins without {LICENCE}")
    if VAGUE.search(file.stem):
        tell(file, 1, "a file is a noun from the field")
    for number, (line, plain) in enumerate(zip(code.splitlines(), text.splitlines()), 1):
        for match in CALL.finditer(line):
            tell(file, number, f"{match.group(1)} is banned")
        for match in LIBRARY.finditer(line) if in_library else ():
            if match.group(1) in OWN.get(file.relative_to(ROOT / "lib").parts[0], ()):
                continue
            tell(file, number, f"the library must not call {match.group(1)}")
        if "//" in line:
            tell(file, number, "a // comment")
        if UNFINISHED.search(plain):
            tell(file, number, "unfinished work")

print("\n".join(found) or f"banned: nothing in {len(c_files())} files")
sys.exit(1 if found else 0)
