# SPDX-License-Identifier: MIT
"""Every command and every piece of code that README and the pages show works; links and cross-references lead somewhere;
the manual pages are clean; the reference can be made from the headers without a warning."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from python_venv import environment

PAGES = ROOT / "examples" / "pages"
MARKDOWN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "bindings/python/README.md", *sorted(ROOT.glob("examples/**/*.md"))]
MANUALS = [*sorted(PAGES.glob("*.[1-9]")), *sorted(ROOT.glob("examples/*/*.[1-9]"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INDENTED = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.M)
LITERAL = re.compile(r"^\.Bd -literal.*?\n(.*?)^\.Ed", re.M | re.S)
STARTS = {"c": "#include", "python": "import |from ", "json": r"\{", "dockerfile": "ENV |FROM ",
          "ini": r"\["}  # of a manual's blocks; any other is a command
LINK = re.compile(r"\]\(([^)#]+)(#[^)]*)?\)")
# Lines of a page that are done otherwise here: this test is part of the first; the second runs until Ctrl-C.
INSTEAD = {"./tests/run.sh": "true", "./examples/quickstart.sh": "PORT=8001 ./examples/quickstart.sh --once"}
# Fragments: they stand in a program that the text around them has; the applications in examples/ are tested as a whole.
FRAGMENT = re.compile(r"\Aapp\.|\Astatic int save|\A#include <crashcollect\.h>\n#include <dirent")


def run(*command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=500, **more)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-6000:]}{done.stderr[-6000:]}"
    return done.stdout


def blocks_of(page):
    """(language, text) of everything that the page shows."""
    text = page.read_text()
    if page.suffix == ".md":
        found = FENCE.findall(text)
        return found + [("sh", re.sub("^    ", "", block, flags=re.M)) for block in INDENTED.findall(FENCE.sub("\n", text))]
    found = []
    for block in LITERAL.findall(text):
        block = block.replace("\\e", "\\").replace("\\-", "-").replace("\\&", "")
        language = next((name for name, start in STARTS.items() if re.match(start, block)), "sh")
        found.append((language, block))
    return found


@pytest.fixture(scope="session")
def installed(build_dir, tmp_path_factory):
    """What was built, installed into a folder; the variables with which programs find it."""
    prefix = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", build_dir, "--prefix", prefix)
    library = next(prefix.rglob("libcrashcollect.so")).parent
    venv = tmp_path_factory.mktemp("venv")
    run("/usr/bin/python3", "-m", "venv", "--system-site-packages", venv)
    return {**os.environ, "PATH": f"{prefix}/bin:{venv}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": str(library),
            "PKG_CONFIG_PATH": str(library / "pkgconfig"), "CRASHCOLLECT_LIBRARY": str(library / "libcrashcollect.so.0"),
            "PYTHONPATH": str(ROOT / "bindings/python"), "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"}


def source_copy(folder):
    return shutil.copytree(ROOT, folder, symlinks=True, ignore=shutil.ignore_patterns("build", "build-*", "__pycache__", ".git",
                                                                                     "crashcollect-data"))


def commands_of(page, folder):
    """The page's commands as files, in order; True if there are any."""
    folder.mkdir()
    for number, text in enumerate(text for language, text in blocks_of(page) if language == "sh"):
        lines = [INSTEAD.get(re.sub(r" +#.*", "", line).strip(), line) for line in text.splitlines()]
        (folder / f"{number:02}").write_text("\n".join(lines) + "\n")
    return any(folder.iterdir())


# pigeon and cluster want a broker, an S3 and nginx: tests/e2e/test_pigeon.py and test_cluster.py do what these pages say.
RUN_HERE = [page for page in [*MARKDOWN, *MANUALS] if page.parent.name not in ("pigeon", "cluster")]


@pytest.mark.parametrize("page", RUN_HERE, ids=lambda page: page.stem)
def test_commands(page, installed, tmp_path):
    if not commands_of(page, tmp_path / "blocks"):
        return
    source = source_copy(tmp_path / "source")
    for example in (ROOT / "examples").glob("*.c"):
        shutil.copy(example, source)
    shutil.copy(source / "tests/data/crash.dmp", source)
    print(run("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", ROOT / "tests/docs/sandbox.sh",
              tmp_path / "blocks", cwd=source, env={**installed, "SCRATCH": str(tmp_path)}))


def check_python(text, folder, installed):
    (folder / "program.py").write_text(text)
    run(sys.executable, "-W", "error", *(["-m", "py_compile"] if FRAGMENT.match(text) else []), "program.py", cwd=folder,
        env=installed)


def check_rules(text, folder, installed):
    """The JSON that pages show is throttle rules."""
    (folder / "rules.json").write_text(text)
    run("crashcollectd", "rules", "check", folder / "rules.json", env=installed)


def check_c(text, folder, installed):
    whole = "int main(" in text
    includes = "".join(f"#include <{name}.h>\n" for name in ("crashcollect", "dirent", "errno", "fcntl", "stdio", "unistd"))
    (folder / "program.c").write_text(text if "#include" in text else includes + text)
    flags = run("pkg-config", "--cflags", "--libs", "libcrashcollect", env=installed).split()
    run("cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", *([] if whole else ["-Wno-unused", "-c"]), "-o", "program",
        "program.c", *flags, cwd=folder, env=installed)
    if whole:
        run("./program", cwd=folder, env=installed)


def check_unit(text, folder, installed):
    """systemd knows every key."""
    (folder / "page.service").write_text(re.sub("^(Exec.*?=).*", r"\1/bin/true", text, flags=re.M))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", folder / "page.service"], capture_output=True, text=True)
    assert "page.service" not in done.stderr, done.stderr


def check_dockerfile(text, folder, installed):
    for line in text.splitlines():
        assert re.match("(FROM|ENV|COPY|RUN|ENTRYPOINT|VOLUME|USER|EXPOSE) |    ", line), line


CHECKS = {"python": check_python, "json": check_rules, "c": check_c, "ini": check_unit, "dockerfile": check_dockerfile}


@pytest.mark.parametrize("page", [*MARKDOWN, *MANUALS], ids=lambda page: page.stem)
def test_code(page, installed, tmp_path):
    """C compiles, and runs if it is a program; so does Python."""
    for number, (language, text) in enumerate(blocks_of(page)):
        assert language in CHECKS or language in ("", "sh"), f"a block in {language}, which nothing checks here"
        folder = tmp_path / str(number)
        folder.mkdir()
        if language in CHECKS:
            CHECKS[language](text, folder, installed)


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.stem)
def test_links(page):
    text = page.read_text()
    for link, anchor in LINK.findall(text):
        if "://" in link:
            continue
        target = (page.parent / link).resolve()
        assert target.exists(), f"{page.name} links to {link}, which is not there"
        if anchor and target.suffix == ".md":
            titles = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", target.read_text(), re.M)]
            assert anchor[1:] in titles, f"{page.name} links to {link}{anchor}, which is not there"


@pytest.mark.parametrize("page", MANUALS, ids=lambda page: page.name)
def test_manual(page):
    run("mandoc", "-Tlint", "-Wwarning", page)
    ours = {path.name for path in MANUALS}
    for name, section in re.findall(r"^\.Xr (\S+) (\d)", page.read_text(), re.M):
        assert f"{name}.{section}" in ours or "crashcollect" not in name, f"{name}({section})"


def test_manual_names_every_header():
    text = (PAGES / "libcrashcollect.3").read_text()
    for header in (ROOT / "include/crashcollect").glob("*.h"):
        assert header.stem in ("api", "error", "log") or header.name in text, header.name


def test_coming_from_antenna_names_every_variable():
    text = (PAGES / "coming-from-antenna.md").read_text()
    aliases = re.findall(r'^    \{"(\w+)", SETTING_\w+, FORM_\w+\}', (ROOT / "lib/settings/aliases.c").read_text(), re.M)
    missing = [name for name in aliases if f"`{name}`" not in text and name != "STATE_DIRECTORY"]
    assert len(aliases) > 30 and not missing


@pytest.mark.parametrize("page", [*MARKDOWN, *MANUALS], ids=lambda page: page.stem)
def test_variables_exist(page):
    """No page names a variable of ours that does not exist."""
    settings = set(re.findall(r"^SETTING\((\w+),", (ROOT / "lib/settings/settings_table.h").read_text(), re.M))
    named = set(re.findall(r"\bCRASHCOLLECT_([A-Z0-9_]+)\b", page.read_text())) - {"LIBRARY", "BUNDLE", "STORAGE", ""}
    assert not {name for name in named if name not in settings and not name.endswith("_")}


@pytest.mark.parametrize("file", sorted(ROOT.glob("examples/*/Dockerfile")), ids=lambda file: file.parent.name)
def test_dockerfile(file):
    """Clean for hadolint; where there is an engine, the daemon's image is built too."""
    python = environment(os.path.realpath("/usr/bin/python3"), pathlib.Path(__file__).with_name("requirements.txt"))
    run(python.parent / "hadolint", file)
    engine = shutil.which("docker") or shutil.which("podman")
    if file.parent.name == "crashcollectd" and engine and subprocess.run([engine, "info"], capture_output=True).returncode == 0:
        run(engine, "build", "-f", file, ROOT)


def test_reference(tmp_path):
    text = (ROOT / "include/Doxyfile").read_text() + f"\nOUTPUT_DIRECTORY = {tmp_path}\n"
    run("doxygen", "-", cwd=ROOT, input=text)
    assert "ccol_collector_submit" in (tmp_path / "html/collector_8h.html").read_text()
