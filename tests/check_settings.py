#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tables of settings and metrics, crashcollectd --help, the man page, the sample file and the unit must agree.

usage: check_settings.py CRASHCOLLECTD [SOURCE_FOLDER]
"""
import pathlib
import re
import subprocess
import sys

SETTING = re.compile(r'^SETTING\((\w+), "([^"]*)", "([^"]*)", "([^"]*)", \w+, .*, (?:true|false), "(.*)"\)$', re.M)
METRIC = re.compile(r'^METRIC\(\w+, \'(\w)\', "([^"]*)", "([^"]*)", "([^"]*)", "(.*)"\)$', re.M)
ONLY = re.compile(r"^ONLY\((\w+), (COLLECTOR|MONITOR)\)", re.M)
ALIAS = re.compile(r'^ *\{"(\w+)", SETTING_(\w+), FORM_\w+\}', re.M)
KINDS = {"c": "counter", "g": "gauge", "t": "timing", "h": "histogram"}


def words(text):
    return " ".join(text.split())


def without_macros(text):
    """mdoc as plain words: what each line says without its macro names."""
    lines = []
    for line in text.splitlines():
        if line.startswith("."):
            line = re.sub(r"^\.\w+ ?|\b(?:Cm|Ar|Li|Ev|Fl|Ns|No) ", "", line)
        lines.append(line)
    return words(" ".join(lines))


def items(section):
    """The .It items of a man page's section: head line and text."""
    found = {}
    for part in re.split(r"^\.It ", section, flags=re.M)[1:]:
        head, _, text = part.partition("\n")
        found[head.strip()] = without_macros(text)
    return found


def sections(page):
    parts = re.split(r"^\.Sh (.*)$", page, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def check_help(settings, text, more, mistakes):
    flat = words(text)
    for _, option, argument, default, about in settings:
        shown = default.strip("()")
        expected = f"--{option} {argument} {about}" + (f" [{shown}]" if shown else "")
        if words(expected) not in flat:
            mistakes.append(f"--help does not say: {expected}")
    known = {option for _, option, *_ in settings} | more
    for option in re.findall(r"^  --([a-z0-9-]+)", text, re.M):
        if option not in known:
            mistakes.append(f"--help names --{option}, which the table does not have")
    if "Exit status:" not in flat:
        mistakes.append("--help does not list the exit statuses")
    too_long = [line for line in text.splitlines() if len(line) > 110 or line != line.rstrip()]
    mistakes.extend(f"--help: too long, or blanks at the end: {line!r}" for line in too_long)


def check_options(settings, page, more, mistakes):
    found = items(page["OPTIONS"])
    heads = {re.match(r"Fl -([a-z0-9-]+)", head).group(1): head for head in found}
    for _, option, argument, default, about in settings:
        if option not in heads:
            mistakes.append(f"man page: no option --{option}")
            continue
        head = heads.pop(option)
        shown = re.sub(r"\b(?:Cm|Ar|Fl) |^Fl -[a-z0-9-]+ ", "", head.split(" ", 2)[2]).replace(" | ", "|")
        if shown != argument:
            mistakes.append(f"man page: --{option} takes {shown}, the table says {argument}")
        expected = f"{about}." + (f" Default: {default.strip('()')}." if default else "")
        if not found[head].startswith(words(expected)):
            mistakes.append(f"man page: --{option} should begin: {expected}")
    for option in heads.keys() - more:
        mistakes.append(f"man page: --{option} is not in the table")


def check_aliases(aliases, page, mistakes):
    found = items(page["ENVIRONMENT"])
    for alias, setting in aliases:
        if setting == "COUNT":
            continue
        if not re.search(rf"\b{alias}\b", found.get(f"Ev CRASHCOLLECT_{setting}", "")):
            mistakes.append(f"man page: {alias} is not named as an alias of CRASHCOLLECT_{setting}")


def check_metrics(metrics, page, mistakes):
    found = items(page["METRICS"])
    for kind, name, prometheus, tag, about in metrics:
        expected = f"{prometheus} ; {KINDS[kind]}" + (f", by {tag}." if tag else ".") + f" {about}."
        if found.pop(f"Li {name}", None) != words(expected):
            mistakes.append(f"man page: {name} should read: {expected}")
        if (kind == "c") != prometheus.endswith("_total"):
            mistakes.append(f"{prometheus}: counters, and only they, end in _total")
        if re.search(r"_(ms|us|kb|mb|min|h)(_|$)", prometheus):
            mistakes.append(f"{prometheus}: Prometheus wants base units, seconds and bytes")
    mistakes.extend(f"man page: {name} is no metric of the table" for name in found)


def check_shared(settings, page, mistakes):
    """crashcollect-run(1) names those settings of crashcollectd(8) that it does not share."""
    named = re.findall(r"^\.Fl -([a-z0-9-]+)", page["SHARED OPTIONS"], re.M)
    wanted = [option for _, option, *_ in settings]
    mistakes.extend(f"crashcollect-run.1: --{option} is not named as crashcollectd's" for option in wanted if option not in named)
    mistakes.extend(f"crashcollect-run.1: --{option} is not crashcollectd's alone" for option in named if option not in wanted)


def check_sample(settings, text, mistakes):
    defaults = {f"CRASHCOLLECT_{name}": default for name, _, _, default, _ in settings}
    for name, value in re.findall(r"^#?(CRASHCOLLECT_\w+)=(.*)$", text, re.M):
        if defaults.get(name) != value:
            mistakes.append(f"sample: {name}={value} is not the default {defaults.get(name)}")


def check_program(program, mistakes):
    """The answers that scripts rely on."""
    def run(*arguments, **variables):
        done = subprocess.run([program, *arguments], env=variables, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    cases = [
        (run("--check-config"), 0, "ok\n", ""),
        (run("--version"), 0, None, ""),
        (run("--nonsense"), 2, "", None),
        (run("nonsense"), 2, "", None),
        (run("--check-config", "--max-body", "x", CRASHCOLLECT_ACK="y"), 1, "", None),
    ]
    for (status, out, err), wanted, wanted_out, wanted_err in cases:
        if status != wanted or (wanted_out is not None and out != wanted_out) or (wanted_err is not None and err):
            mistakes.append(f"crashcollectd answered {status}, {out!r}, {err!r}; wanted {wanted}, {wanted_out!r}")
    if len(cases[2][0][2].splitlines()) != 1 or "--nonsense" not in cases[2][0][2]:
        mistakes.append("wrong usage is not told in one line that names the option")
    told = cases[4][0][2]
    if len(told.splitlines()) != 2 or "CRASHCOLLECT_MAX_BODY=x" not in told or "CRASHCOLLECT_ACK=y" not in told:
        mistakes.append(f"--check-config does not tell both mistakes, one line each: {told!r}")
    status, out, err = run("--log-format", "text", "--listen", "8000", CRASHCOLLECT_NONSENSE="1")
    if status != 1 or out or "Unhandled startup exception" not in err or "CRASHCOLLECT_NONSENSE" not in err:
        mistakes.append(f"a start with mistakes answered {status}, {out!r}, {err!r}")


def main():
    program, runner = (str(pathlib.Path(argument).resolve()) for argument in sys.argv[1:3])
    top = pathlib.Path(__file__).parent.parent
    more = {"config", "check-config", "help", "version"}
    settings = SETTING.findall((top / "lib/settings/settings_table.h").read_text())
    metrics = METRIC.findall((top / "lib/base/metric_table.h").read_text())
    aliases = ALIAS.findall((top / "lib/settings/aliases.c").read_text())
    folder = top / "examples/crashcollectd"
    page = sections((folder / "crashcollectd.8").read_text())
    mistakes = []
    for name, rows in (("SETTING(", settings), ("METRIC(", metrics)):
        table = "lib/settings/settings_table.h" if name == "SETTING(" else "lib/base/metric_table.h"
        written = sum(line.startswith(name) for line in (top / table).read_text().splitlines())
        if written != len(rows) or not rows:
            mistakes.append(f"{table}: {written} rows, {len(rows)} of them understood")
    for name, option, *_ in settings:
        if name.lower().replace("_", "-") != option:
            mistakes.append(f"CRASHCOLLECT_{name} and --{option} are not the same name")
    only = dict(ONLY.findall((top / "lib/settings/program_table.h").read_text()))
    collector = [row for row in settings if only.get(row[0]) != "MONITOR"]
    monitor = [row for row in settings if only.get(row[0]) == "MONITOR"]
    shared = [row for row in collector if row[0] not in only]
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    check_help(collector, text, more, mistakes)
    check_options(collector, page, more, mistakes)
    text = subprocess.run([runner, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    run_page = sections((top / "examples/crashcollect-run/crashcollect-run.1").read_text())
    check_help(shared + monitor, text, more | {"self-test"}, mistakes)
    check_options(monitor, run_page, more | {"self-test"}, mistakes)
    check_shared([row for row in collector if row[0] in only], run_page, mistakes)
    check_sample(shared + monitor, (top / "examples/crashcollect-run/crashcollect-run.env").read_text(), mistakes)
    check_aliases(aliases, page, mistakes)
    check_metrics(metrics, page, mistakes)
    check_sample(settings, (folder / "crashcollectd.env").read_text(), mistakes)
    check_program(program, mistakes)
    for mistake in mistakes:
        print(mistake)
    print(f"{len(settings)} settings, {len(metrics)} metrics, {len(aliases)} aliases, {len(mistakes)} mistakes")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
