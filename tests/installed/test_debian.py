# SPDX-License-Identifier: MIT
"""The Debian packages: the same bytes from two builds, no errors for lintian, and a life in a fresh Debian 12: installed,
used as their readers would use them, removed."""
import fcntl
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from harness import MINIDUMP, Daemon

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from python_venv import cache_folder

NAMES = ["crashcollect", "libcrashcollect-dev", "libcrashcollect0", "python3-crashcollect"]
IN_TREE = "gcc,libc6-dev,make,cmake,pkg-config,python3,systemd"  # what a developer has; nothing that the library needs
DEBOOTSTRAP = ["debootstrap", "--variant=minbase", f"--include={IN_TREE}", "bookworm"]


def run(*command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=600, **more)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


def source_copy(folder):
    """The source in another place."""
    shutil.copytree(ROOT, folder, symlinks=True, ignore=shutil.ignore_patterns("build", "build-*", "__pycache__", ".git"))
    return folder


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """Two folders of packages, from sources in different places and under different umasks."""
    folder = tmp_path_factory.mktemp("debian")
    epoch = {**os.environ, "SOURCE_DATE_EPOCH": "1764000000"}
    for name, source, umask in (("one", ROOT, 0o022), ("two", source_copy(folder / "elsewhere" / "source"), 0o077)):
        run("bash", "-c", f"umask {umask:o}; exec {source}/pkgconfig/debian/build.sh {folder / name}", env=epoch)
    return folder / "one", folder / "two"


@pytest.fixture(scope="module")
def debs(builds):
    return sorted(builds[0].glob("*.deb"))


def test_same_bytes(builds):
    one, two = ({file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()} for folder in builds)
    assert one == two and len(one) == len(NAMES) + 1


def test_lintian(debs):
    """No errors, and a page for every program. (Its other warnings are of a kind that matters in Debian's archive: bugs to
    close, scripts by debhelper.)"""
    told = subprocess.run(["lintian", "--allow-root", "--tag-display-limit", "0", *map(str, debs)], capture_output=True, text=True)
    assert told.returncode in (0, 2), told.stderr
    assert not re.findall(r"^E: .*|^.*no-manual-page.*", told.stdout, re.M), told.stdout


def test_bill_of_materials(builds, debs):
    """Every package with its hash, every library they need with its version."""
    bill = json.loads((builds[0] / "crashcollect.spdx.json").read_text())
    listed = {package["name"]: package for package in bill["packages"]}
    for deb in debs:
        name = deb.name.split("_")[0]
        assert listed[name]["checksums"][0]["checksumValue"] == hashlib.sha256(deb.read_bytes()).hexdigest()
    for library in re.findall(r"([a-z0-9.+-]+) \(", run("dpkg-deb", "--field", debs[2], "Depends")):
        assert re.match(r"\d", listed[library]["versionInfo"]), library
    assert {relation["spdxElementId"] for relation in bill["relationships"]} >= {f"SPDXRef-{name}" for name in NAMES}


class Tree:
    """A Debian 12 of its own, as a changed root."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, *command, **more):
        return run("chroot", self.folder, *command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                                                         "DEBIAN_FRONTEND": "noninteractive", **more.pop("env", {})}, **more)

    def find(self, pattern):
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob(pattern)}


def base_tree():
    """A tar file of a fresh Debian 12, made once for each user and kept in their cache folder."""
    key = hashlib.sha256(" ".join(DEBOOTSTRAP).encode()).hexdigest()[:12]
    tar = cache_folder() / f"debian-12-{key}.tar"
    tar.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{tar}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tar.exists():
            making = pathlib.Path(f"{tar}.tree")
            shutil.rmtree(making, ignore_errors=True)
            run(*DEBOOTSTRAP, making)
            run("tar", "--one-file-system", "-C", making, "-cf", f"{tar}.new", ".")
            os.rename(f"{tar}.new", tar)
            shutil.rmtree(making)
    return tar


@pytest.fixture(scope="module")
def tree(tmp_path_factory, debs):
    """A fresh tree with the packages installed by apt, which brings what they depend on."""
    assert os.geteuid() == 0, "a changed root needs root"
    folder = tmp_path_factory.mktemp("debian-12")
    run("tar", "-C", folder, "-xf", base_tree())
    fresh = Tree(folder)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", folder / "etc" / name)
    (folder / "debs").mkdir()
    for deb in debs:
        shutil.copy(deb, folder / "debs")
    fresh.run("apt-get", "-qq", "update")
    fresh.run("apt-get", "-qq", "-y", "--no-install-recommends", "install", *(f"/debs/{deb.name}" for deb in debs))
    yield fresh
    shutil.rmtree(folder, ignore_errors=True)


def test_the_daemon_takes_a_crash(tree):
    data = tree.folder / "var/lib/crashcollectd"
    data.mkdir(mode=0o750)
    shutil.chown(data, 1, 1)
    daemon = Daemon(data, binary="/usr/bin/crashcollectd", wrapper=["chroot", "--userspec=1:1", tree.folder],
                    env={"CRASHCOLLECT_DATA_DIR": "/var/lib/crashcollectd", "CRASHCOLLECT_THROTTLE_RULES": "mozilla"})
    daemon.start()
    try:
        crash_id = daemon.submit({"upload_file_minidump": MINIDUMP}, {"ProductName": "Firefox", "Throttleable": "0"}).crash_id
        assert daemon.wait_saved(crash_id)[crash_id].dumps == {"upload_file_minidump": MINIDUMP}
        daemon.stop()
    finally:
        daemon.kill()
    tree.run("crashcollectd", "rules", "check", "/usr/share/crashcollect/rules/mozilla.json")


def test_an_app_is_watched(tree):
    """A shell that dies of SIGSEGV ends so for its caller, and its report is in the folder."""
    done = subprocess.run(["chroot", str(tree.folder), "crashcollect-run", "--data-dir", "/tmp/watched", "--", "/bin/sh", "-c",
                           "echo last words; kill -SEGV $$"], capture_output=True, text=True, timeout=120,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert done.returncode == -11 and done.stdout == "last words\n", done
    crash = next(iter((tree.folder / "tmp/watched").glob("crashes/*/raw_crash/*.json")))
    assert json.loads(crash.read_text())["CrashReason"].startswith("SIGSEGV")
    assert list((tree.folder / "tmp/watched").glob("crashes/*/upload_file_minidump/*"))


def test_units(tree):
    done = subprocess.run(["systemd-analyze", f"--root={tree.folder}", "verify", "--man=no", "crashcollectd.service",
                           "crashcollectd.socket"], capture_output=True, text=True)
    told = [line for line in (done.stdout + done.stderr).splitlines() if "crashcollect" in line]
    assert done.returncode == 0 and not told, done.stderr


def test_pages(tree):
    """Each program has its page; and the packages have Debian's files."""
    programs = {path.name for path in (tree.folder / "usr/bin").glob("crashcollect*")} | {"pigeon"}
    for program in programs:
        page = next(iter((tree.folder / "usr/share/man").glob(f"man[18]/{program}.[18].gz")))
        assert program in gzip.decompress(page.read_bytes()).decode()
    for name in NAMES:
        assert "MIT" in (tree.folder / f"usr/share/doc/{name}/copyright").read_text()


def test_examples_build(tree):
    """Against the installed library, by pkg-config and by find_package; and they run."""
    tree.run("apt-get", "-qq", "-y", "--no-install-recommends", "install", "libmicrohttpd-dev")
    tree.run("sh", "-ec", "mkdir /tmp/build; cd /tmp/build; for source in /usr/share/doc/libcrashcollect-dev/examples/*.c; do "
             "cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -o $(basename $source .c) $source "
             "$(pkg-config --cflags --libs libcrashcollect) -lmicrohttpd -pthread; done; ./minimal; ./custom_storage")
    (tree.folder / "tmp/CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(user LANGUAGES C)\nfind_package(crashcollect 0.1 REQUIRED)\n"
        "add_executable(minimal /usr/share/doc/libcrashcollect-dev/examples/minimal.c)\n"
        "target_link_libraries(minimal PRIVATE crashcollect::crashcollect)\n")
    tree.run("sh", "-ec", "cmake -S /tmp -B /tmp/cmake; cmake --build /tmp/cmake; cd /tmp/cmake; ./minimal")
    for folder in ("build", "cmake"):
        assert len(list((tree.folder / "tmp" / folder).glob("crashes/*/raw_crash/*.json"))) == 1


def test_python(tree):
    program = ("import crashcollect as c\n"
               "with c.Collector(c.FsStorage('/tmp/from-python'), '/tmp/spool') as collector:\n"
               "    print(collector.submit(c.Report({'ProductName': 'Demo'}, {'dump': b'x'})).crash_id)\n")
    crash_id = tree.run("python3", "-c", program).strip()
    assert tree.find(f"tmp/from-python/*/raw_crash/{crash_id}.json")


def test_removal_leaves_data(tree):
    """Runs last. What stays is what the operator owns."""
    (tree.folder / "etc/crashcollectd.env").write_text("CRASHCOLLECT_LOG_LEVEL=info\n")
    shutil.rmtree(tree.folder / "debs")
    for folder in ("build", "cmake", "spool", "from-python", "watched"):
        shutil.rmtree(tree.folder / "tmp" / folder, ignore_errors=True)
    tree.run("apt-get", "-qq", "-y", "purge", *NAMES)
    left = {path for path in tree.find("*crashcollect*") if not path.startswith("var/lib/crashcollectd")}
    assert left == {"etc/crashcollectd.env"}
    assert list((tree.folder / "var/lib/crashcollectd").glob("crashes/*/raw_crash/*.json"))
