/* SPDX-License-Identifier: MIT */
#include "keeper/tracee.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#define PAGE UINT64_C(4096)

#if defined(__x86_64__)
enum { REGISTER_COUNT = 27, REGISTER_PC = 16, REGISTER_SP = 19, REGISTER_RESULT = 10, REGISTER_CALL = 15 };
#else
enum { REGISTER_COUNT = 34, REGISTER_PC = 32, REGISTER_SP = 31, REGISTER_CALL = 8 };
#endif
_Static_assert(sizeof(struct user_regs_struct) == REGISTER_COUNT * sizeof(uint64_t), "the registers' layout");

size_t ccol__tracee_read(pid_t pid, uint64_t address, void *out, size_t length)
{
    size_t done = 0;
    while (done < length) { /* a page that is not there ends a read where it stands, or at once */
        struct iovec local = {(char *)out + done, length - done};
        struct iovec remote = {(void *)(uintptr_t)(address + done), length - done};
        ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);
        if (got <= 0) break;
        done += (size_t)got;
    }
    return done;
}

bool ccol__tracee_read_all(pid_t pid, uint64_t address, void *out, size_t length)
{
    return ccol__tracee_read(pid, address, out, length) == length;
}

bool ccol__tracee_read_text(pid_t pid, uint64_t address, char *out, size_t size)
{
    size_t done = 0;
    while (done < size) { /* page by page: the next one may not be there */
        size_t piece = (size_t)(PAGE - (address + done) % PAGE);
        if (piece > size - done) piece = size - done;
        if (!ccol__tracee_read_all(pid, address + done, out + done, piece)) return false;
        if (memchr(out + done, '\0', piece)) return true;
        done += piece;
    }
    return false;
}

int ccol__tracee_registers(pid_t tid, uint64_t registers[SNAPSHOT_REGISTERS_MAX], uint64_t *pc, uint64_t *sp)
{
    struct iovec into = {registers, REGISTER_COUNT * sizeof *registers};
    memset(registers, 0, SNAPSHOT_REGISTERS_MAX * sizeof *registers);
    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &into) != 0) return -errno;
    if (into.iov_len != REGISTER_COUNT * sizeof *registers) { /* a 32-bit program */
        memset(registers, 0, SNAPSHOT_REGISTERS_MAX * sizeof *registers);
        return -ENOTSUP;
    }
    *pc = registers[REGISTER_PC];
    *sp = registers[REGISTER_SP];
    return 0;
}

uint64_t ccol__tracee_sp_of(const uint64_t registers[SNAPSHOT_REGISTERS_MAX])
{
    return registers[REGISTER_SP];
}

size_t ccol__tracee_fp(pid_t tid, void *out, size_t size)
{
    struct iovec into = {out, size};
    return ptrace(PTRACE_GETREGSET, tid, NT_PRFPREG, &into) == 0 ? into.iov_len : 0;
}

bool ccol__tracee_at_refused_call(const uint64_t registers[SNAPSHOT_REGISTERS_MAX])
{
#if defined(__x86_64__)
    return (int64_t)registers[REGISTER_CALL] >= 0 && registers[REGISTER_RESULT] == registers[REGISTER_CALL];
#else
    (void)registers; /* x0 is an argument again, which tells nothing */
    return false;
#endif
}

void ccol__tracee_continue(pid_t tid, int signal_number)
{
    ptrace(PTRACE_CONT, tid, NULL, (void *)(intptr_t)signal_number);
}
