#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Includes run one way between the folders of lib/. There is no list of exceptions."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALLOWED = {
    "base": "",
    "report": "base",
    "net": "base",
    "publish": "net base",
    "storage": "net report base",
    "queue": "storage report base",
    "collector": "queue storage publish report base",
    "http": "collector report base",
    "capture": "base",
    "keeper": "capture base",
    "monitor": "keeper capture collector report base",
    "settings": "base report net storage queue publish collector http keeper monitor",
}
ONLY = {"microhttpd.h": {"http"}}  # headers that only these folders may include
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def mistakes():
    for file in sorted((ROOT / "lib").rglob("*.[ch]")):
        folder = file.relative_to(ROOT / "lib").parts[0]
        if folder not in ALLOWED:
            yield f"{file}: the folder {folder} is not in the design"
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            kind, name = match.groups()
            place = f"{file.relative_to(ROOT)}:{number}"
            if name in ONLY and folder not in ONLY[name]:
                yield f"{place}: {name} is for {', '.join(ONLY[name])} only"
            if kind == "<":
                continue
            target = name.split("/")[0]
            if "/" not in name and not (ROOT / "lib" / folder / name).exists():
                continue  # made by the build
            if "/" not in name or name.startswith("."):
                yield f"{place}: write the include from lib/ on: \"{folder}/{name}\""
            elif target != folder and target not in ALLOWED[folder].split():
                yield f"{place}: {folder} must not include {target}"


found = list(mistakes())
print("\n".join(found) or "arrows: all includes run the right way")
sys.exit(1 if found else 0)
