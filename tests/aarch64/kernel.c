/* SPDX-License-Identifier: MIT */
#include "kernel.h"

#include <asm/sigcontext.h>
#include <elf.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define THREADS_MOST 32
#define STOP_SIGNAL  (SIGRTMIN + 5)
#define PAGE         4096u

enum { RUNS, STOPPED, TOLD };

static struct known {
    pid_t tid;
    _Atomic int state;
    ucontext_t context;
} threads[THREADS_MOST];
static _Atomic unsigned count;

static struct known *find(pid_t tid)
{
    for (unsigned i = 0; i < atomic_load(&count); i++) {
        if (threads[i].tid == tid) return &threads[i];
    }
    return NULL;
}

static void stop(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    struct known *self = find(gettid());
    (void)number;
    (void)info;
    if (!self) return;
    memcpy(&self->context, context, sizeof self->context);
    atomic_store(&self->state, STOPPED);
    while (atomic_load(&self->state) != RUNS)
        poll(NULL, 0, 1);
    errno = saved_errno;
}

void kernel_know_thread(void)
{
    struct sigaction action = {.sa_sigaction = stop, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&action.sa_mask);
    sigaction(STOP_SIGNAL, &action, NULL);
    static atomic_flag busy = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&busy))
        poll(NULL, 0, 1);
    unsigned next = atomic_load(&count);
    if (next < THREADS_MOST) {
        threads[next].tid = gettid();
        atomic_store(&count, next + 1);
    }
    atomic_flag_clear(&busy);
}

static long put(const void *bytes, size_t length, struct iovec *out)
{
    if (length < out->iov_len) out->iov_len = length;
    memcpy(out->iov_base, bytes, out->iov_len);
    return 0;
}

static long get_floats(const ucontext_t *context, struct iovec *out)
{
    const struct fpsimd_context *from = (const void *)context->uc_mcontext.__reserved;
    struct user_fpsimd_struct floats = {.fpsr = from->fpsr, .fpcr = from->fpcr};
    if (from->head.magic != FPSIMD_MAGIC) return -1;
    memcpy(floats.vregs, from->vregs, sizeof floats.vregs);
    return put(&floats, sizeof floats, out);
}

static long get_registers(const ucontext_t *context, struct iovec *out)
{
    const mcontext_t *from = &context->uc_mcontext;
    struct user_regs_struct registers = {.sp = from->sp, .pc = from->pc, .pstate = from->pstate};
    memcpy(registers.regs, from->regs, sizeof registers.regs);
    return put(&registers, sizeof registers, out);
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    pid_t tid = va_arg(arguments, pid_t);
    uintptr_t set = va_arg(arguments, uintptr_t);
    void *data = va_arg(arguments, void *);
    va_end(arguments);
    struct known *thread = find(tid);
    errno = EPERM;
    if (!thread) return -1;
    if (request == PTRACE_SEIZE) return 0;
    if (request == PTRACE_INTERRUPT) return syscall(SYS_tgkill, getpid(), tid, STOP_SIGNAL);
    errno = ESRCH;
    if (atomic_load(&thread->state) == RUNS) return -1;
    if (request == PTRACE_GETREGSET && set == NT_PRSTATUS) return get_registers(&thread->context, data);
    if (request == PTRACE_GETREGSET && set == NT_PRFPREG) return get_floats(&thread->context, data);
    errno = EIO;
    if (request != PTRACE_CONT && request != PTRACE_DETACH) return -1;
    atomic_store(&thread->state, RUNS);
    return 0;
}

pid_t waitpid(pid_t tid, int *status, int options)
{
    struct known *thread = find(tid);
    if (!thread) return (pid_t)syscall(SYS_wait4, tid, status, options, NULL);
    int stopped = STOPPED;
    if (!atomic_compare_exchange_strong(&thread->state, &stopped, TOLD)) return 0;
    *status = PTRACE_EVENT_STOP << 16 | SIGTRAP << 8 | 0x7f;
    return tid;
}

/* Writing from an address that cannot be read is an error, not a fault. */
static bool copy(int fd, const char *from, char *to, size_t length)
{
    return pwrite(fd, from, length, 0) == (ssize_t)length && pread(fd, to, length, 0) == (ssize_t)length;
}

ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long local_count, const struct iovec *remote,
                         unsigned long remote_count, unsigned long flags)
{
    const char *from = remote->iov_base;
    size_t done = 0, length = local->iov_len < remote->iov_len ? local->iov_len : remote->iov_len;
    int fd = pid == getpid() && local_count == 1 && remote_count == 1 && !flags ? memfd_create("copy", 0) : -1;
    while (fd >= 0 && done < length) {
        size_t piece = PAGE - (uintptr_t)(from + done) % PAGE;
        if (piece > length - done) piece = length - done;
        if (!copy(fd, from + done, (char *)local->iov_base + done, piece)) break;
        done += piece;
    }
    if (fd >= 0) close(fd);
    errno = EFAULT;
    return done ? (ssize_t)done : -1;
}
