# SPDX-License-Identifier: MIT
"""Reads what a keeper leaves in its hand-over folder: snapshots, log ring, state (lib/keeper/*.h)."""
import bisect
import functools
import pathlib
import re
import struct
import subprocess

X86_64 = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es "
          "fs gs").split()
FATAL_SIGNAL, KILLED, EXITED, HANDED_OVER, WAITED = 1, 2, 3, 4, 5
MAIN_PROCESS, KILL_ASKED, LET_GO, SAME_CGROUP, SIGINFO, SECCOMP = 1, 2, 4, 8, 16, 32
CRASHED, REGISTERS, STACK_OVERFLOW = 1, 2, 4
PTRACE, PRELOAD, ATTACH, WAIT = 1, 2, 3, 4
STDOUT, STDERR, CAPTURE, KEEPER = 1, 2, 3, 4
UNKNOWN = 2 ** 64 - 1


class Snapshot:
    """One .snapshot file; every section is checked to lie inside."""

    def __init__(self, data):
        self.data = data
        (magic, version, header_bytes, total, at, count, each, self.machine, _, _, _, self.captured_at,
         self.sequence) = struct.unpack_from("<8sIIQQIIHHHHqQ", data)
        assert magic == b"ccolsnap" and version == 1 and header_bytes == 64 and total == len(data) and each == 40
        self.sections = []
        for i in range(count):
            kind, ident, address, offset, length, stride, _ = struct.unpack_from("<IIQQQII", data, at + i * each)
            assert offset % 8 == 0 and offset + length <= len(data)
            self.sections.append((kind, ident, address, data[offset:offset + length], stride))
        (self.event, self.flags, self.mode, self.wait_status, self.signal, self.tid, self.thread_count,
         self.threads_cut, self.happened_at, self.held_us, self.log_head, self.siginfo) = struct.unpack(
             "<IIIiiiIIqQQ128s", self.one(1))
        (self.pid, self.parent, self.group, self.session, self.uid, self.gid, self.oom_score_adj, executable, name, _,
         self.started_at, self.arg_start, self.arg_end, self.env_start, self.env_end, self.stack_start) = struct.unpack(
             "<iiiiIIiIIIqQQQQQ", self.one(2)[:88])
        self.executable = self.string(executable)
        self.name = self.string(name)

    def one(self, kind, ident=None):
        """Bytes of the only section of that kind; b"" if there is none."""
        found = [bytes_ for k, i, _, bytes_, _ in self.sections if k == kind and ident in (None, i)]
        assert len(found) <= 1, f"{len(found)} sections of kind {kind}"
        return found[0] if found else b""

    def string(self, offset):
        strings = self.one(8)
        return strings[offset:strings.index(b"\0", offset)].decode()

    def entries(self, kind, form):
        for k, _, _, data, stride in self.sections:
            if k == kind:
                for at in range(0, len(data), stride):
                    yield struct.unpack_from(form, data, at)

    @property
    def siginfo_code(self):
        return struct.unpack_from("<i", self.siginfo, 8)[0]

    @property
    def siginfo_address(self):
        return struct.unpack_from("<Q", self.siginfo, 16)[0]

    @property
    def threads(self):
        return [Thread(self, *entry) for entry in self.entries(3, "<iI16sQQQQ34Q")]

    @property
    def crashed(self):
        return next((thread for thread in self.threads if thread.flags & CRASHED), None)

    @property
    def faults(self):
        return list(self.entries(4, "<iiq128s34Q"))

    @property
    def modules(self):
        found = []
        for start, end, bias, inode, path, flags, _, _, length, build_id, _, text_hash in \
                self.entries(7, "<QQQQIIIII32sI16s"):
            found.append({"start": start, "end": end, "bias": bias, "inode": inode, "path": self.string(path),
                          "flags": flags, "build_id": build_id[:length].hex(), "text_hash": text_hash.hex()})
        return found

    def memories(self, ident=None):
        return [(address, data) for kind, i, address, data, _ in self.sections if kind == 6 and ident in (None, i)]

    @property
    def maps(self):
        return self.one(9).decode()

    @property
    def status(self):
        return self.one(10).decode()

    def unflushed(self, stream=1):
        return self.one(15, stream)

    @property
    def oom(self):
        names = ("source", "path", "kills_before", "kills_after", "limit", "usage", "peak", "host_before", "host_after",
                 "group_before", "group_after", "read_at")
        data = self.one(16)
        return dict(zip(names, struct.unpack("<IIQQQQQQQQQq", data))) if data else None

    @property
    def errors(self):
        return self.one(17).decode().splitlines()

    def symbolize(self, addresses):
        """Function names of code addresses, by addr2line on the module's file; "?" where there is none."""
        names = []
        for address in addresses:
            module = next((m for m in self.modules if m["start"] <= address < m["end"]), None)
            if not module or not pathlib.Path(module["path"]).exists():
                names.append("?")
                continue
            names.append(function_at(module["path"], address - module["bias"]))
        return names


@functools.lru_cache(maxsize=None)
def function_at(path, address):
    out = subprocess.run(["addr2line", "-f", "-e", path, hex(address)], capture_output=True, text=True, check=True).stdout
    return out.splitlines()[0]


class Thread:
    """One thread of a snapshot."""

    def __init__(self, snapshot, tid, flags, name, pc, sp, low, high, *registers):
        self.snapshot = snapshot
        self.tid = tid
        self.flags = flags
        self.name = name.rstrip(b"\0").decode()
        self.pc = pc
        self.sp = sp
        self.stack = (low, high)
        self.registers = dict(zip(X86_64, registers))

    def words(self):
        """The 64-bit words of its stack from sp on."""
        for address, data in self.snapshot.memories(self.tid):
            if address <= self.sp < address + len(data):
                data = data[self.sp - address:]
                return struct.unpack(f"<{len(data) // 8}Q", data[:len(data) // 8 * 8])
        return ()

    def functions(self, most=400):
        """Names of the functions at pc and of all code addresses found on the stack: a walk without unwind tables."""
        modules = sorted(self.snapshot.modules, key=lambda m: m["start"])
        starts = [m["start"] for m in modules]
        found = [self.pc]
        for word in self.words()[:most]:
            at = bisect.bisect_right(starts, word) - 1
            if at >= 0 and modules[at]["start"] <= word < modules[at]["end"]:
                found.append(word - 1)
        return self.snapshot.symbolize(found)


class Folder:
    """One hand-over folder."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    @property
    def snapshots(self):
        return [Snapshot(file.read_bytes()) for file in sorted(self.path.glob("*.snapshot"))]

    @property
    def state(self):
        names = ("version bytes boot_id started_at last_alive ended_at phase keeper_pid app_pid wait_status mode_wanted "
                 "mode snapshots snapshots_cut shipper_starts").split()
        data = (self.path / "state").read_bytes()
        magic, *values = struct.unpack_from("<8sII40sqqqIiiiIIIII", data)
        assert magic == b"ccolhand"
        state = dict(zip(names, values))
        at = 120
        for name, size in (("mode_reason", 256), ("executable", 1024), ("trouble", 512)):
            state[name] = data[at:at + size].split(b"\0")[0].decode()
            at += size
        return state

    def ring_header(self):
        data = (self.path / "log").read_bytes()
        return struct.unpack_from("<8sIIQQQ4Q4Q", data)

    def dropped(self, stream):
        return self.ring_header()[10 + stream - 1]

    def records(self):
        """(stream, bytes) of each record in the ring, oldest first."""
        data = (self.path / "log").read_bytes()
        magic, version, header, capacity, head, tail, *_ = self.ring_header()
        assert magic == b"ccolring" and version == 1 and header == 4096 and len(data) == header + capacity
        ring = data[header:]
        position = tail
        while position < head:
            def take(at, length):
                at %= capacity
                return (ring + ring)[at:at + length] if at + length > capacity else ring[at:at + length]
            length, stream, check, _ = struct.unpack("<IHHq", take(position, 16))
            assert check == 0x524C
            yield stream, take(position + 16, length)
            position += 16 + (length + 7) // 8 * 8

    def log(self, *streams):
        return b"".join(data for stream, data in self.records() if stream in (streams or (STDOUT, STDERR)))


def folders(data_dir):
    """The hand-over folders below a data folder, oldest first."""
    parent = pathlib.Path(data_dir) / "monitor"
    if not parent.exists():
        return []
    return [Folder(path) for path in sorted(parent.iterdir()) if re.match(r"\d{8}T", path.name)]
