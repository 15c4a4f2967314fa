/* SPDX-License-Identifier: MIT */
/* The keeper's end of the socket that in-app code talks on. Nothing that comes from there is believed: it is an app
 * that may be broken, and that crashes right now. */
#include "keeper/keeper_private.h"

#include "base/auto.h"
#include "capture/notes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MESSAGES_PER_TURN 32

struct linux_dirent64 { /* as getdents64(2) has it */
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    unsigned char type;
    char name[];
};

int ccol__capture_open(struct keeper *keeper)
{
    int ends[2], on = 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return -errno;
    keeper->capture_fd = ends[0];
    keeper->capture_child_fd = ends[1];
    if (setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) return -errno;
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? 0 : -errno;
}

#if defined(__x86_64__)
void ccol__capture_registers(const struct capture_crash *message, struct snapshot_thread *out)
{
    /* places in gregset_t, in the order of struct user_regs_struct; -1: the thread's own is right */
    static const int8_t places[] = {REG_R15, REG_R14, REG_R13, REG_R12, REG_RBP, REG_RBX, REG_R11,
                                    REG_R10, REG_R9,  REG_R8,  REG_RAX, REG_RCX, REG_RDX, REG_RSI,
                                    REG_RDI, -1,      REG_RIP, -1,      REG_EFL, REG_RSP};
    const greg_t *from = message->context.uc_mcontext.gregs;
    for (size_t i = 0; i < sizeof places; i++) {
        if (places[i] >= 0) out->registers[i] = (uint64_t)from[places[i]];
    }
    out->pc = (uint64_t)from[REG_RIP];
    out->sp = (uint64_t)from[REG_RSP];
}
#else
void ccol__capture_registers(const struct capture_crash *message, struct snapshot_thread *out)
{
    for (size_t i = 0; i < 31; i++)
        out->registers[i] = message->context.uc_mcontext.regs[i];
    out->registers[31] = out->sp = message->context.uc_mcontext.sp;
    out->registers[32] = out->pc = message->context.uc_mcontext.pc;
    out->registers[33] = message->context.uc_mcontext.pstate;
}
#endif

/* One packet, its sender's pid by the kernel's word, and the descriptor that came along (-1: none). Its length, 0 for
 * nothing, -1: the socket is of no more use. */
static ssize_t receive(int fd, void *out, size_t size, pid_t *sender, int *descriptor)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct iovec into = {out, size};
    struct msghdr message = {
        .msg_iov = &into, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    *sender = 0;
    *descriptor = -1;
    ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET) continue;
        if (part->cmsg_type == SCM_CREDENTIALS) {
            struct ucred sent;
            memcpy(&sent, CMSG_DATA(part), sizeof sent);
            *sender = sent.pid;
        }
        size_t count = part->cmsg_type == SCM_RIGHTS ? (part->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
        for (size_t i = 0; i < count; i++) {
            int each;
            memcpy(&each, CMSG_DATA(part) + i * sizeof each, sizeof each);
            if (*descriptor < 0)
                *descriptor = each;
            else
                close(each);
        }
    }
    return got == 0 ? -1 : got;
}

static struct traced_process *sender_of(struct keeper *keeper, pid_t pid)
{
    struct traced_process *process = ccol__tracees_process(&keeper->tracees, pid);
    if (process) return process;
    process = ccol__tracees_add_process(&keeper->tracees, pid, NULL);
    if (process) ccol__facts_read(process->facts, pid, keeper->scratch);
    return process;
}

static void greeted(struct keeper *keeper, pid_t pid, const struct capture_hello *hello, int fd)
{
    struct stat status;
    struct traced_process *process = sender_of(keeper, pid);
    if (!process || fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || hello->notes_bytes > NOTES_BYTES ||
        status.st_size < (off_t)hello->notes_bytes) {
        if (fd >= 0) close(fd);
        return;
    }
    if (process->notes_fd >= 0) close(process->notes_fd);
    process->notes_fd = fd;
    process->notes_bytes = hello->notes_bytes;
    if (hello->handler && keeper->mode == CAPTURE_WAIT) {
        keeper->mode = CAPTURE_ATTACH; /* the app installed the handler itself */
        keeper->state->mode = CAPTURE_ATTACH;
    }
}

/* Seizes and counts all threads of the process; those that cannot be are left out. */
static void seize_all(struct keeper *keeper, struct traced_process *process)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)process->pid);
    auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long got;
    while (fd >= 0 && (got = syscall(SYS_getdents64, fd, keeper->scratch->text, 32768)) > 0) {
        for (long at = 0; at < got;) {
            const struct linux_dirent64 *entry = (const void *)(keeper->scratch->text + at);
            at += entry->length;
            pid_t tid = (pid_t)strtol(entry->name, NULL, 10);
            if (tid <= 0 || ccol__tracees_thread(&keeper->tracees, tid)) continue;
            if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) == 0) ccol__tracees_add_thread(&keeper->tracees, tid, process);
        }
    }
}

static void crashed(struct keeper *keeper, pid_t pid, const struct capture_crash *message, int fd)
{
    auto_close int answer = fd; /* its end lets the thread go on */
    struct traced_process *process = sender_of(keeper, pid);
    if (!process || process->seized || answer < 0) return; /* a traced one is seen to die anyway */
    struct death death = {.process = process,
                          .event = SNAPSHOT_HANDED_OVER,
                          .flags = SNAPSHOT_SIGINFO,
                          .signal_number = message->signal,
                          .wait_status = message->signal & 0x7f,
                          .tid = message->header.pid == pid ? message->header.tid : pid,
                          .info = message->info,
                          .message = message};
    seize_all(keeper, process);
    ccol__keeper_take(keeper, &death);
    while (process->threads)
        ccol__tracees_remove_thread(&keeper->tracees, process->threads);
}

static bool is_whole(const struct capture_header *header, ssize_t length, size_t size)
{
    return (size_t)length == size && header->magic == CAPTURE_MAGIC && header->version == CAPTURE_VERSION &&
           header->length == size;
}

void ccol__capture_receive(struct keeper *keeper)
{
    union {
        struct capture_header header;
        struct capture_hello hello;
        struct capture_crash crash;
    } message;
    for (unsigned i = 0; i < MESSAGES_PER_TURN; i++) {
        pid_t pid;
        int fd;
        ssize_t got = receive(keeper->capture_fd, &message, sizeof message, &pid, &fd);
        if (got == 0) return;
        if (got < 0) {
            close(keeper->capture_fd);
            keeper->capture_fd = -1;
            return;
        }
        if (pid > 0 && message.header.kind == CAPTURE_HELLO && is_whole(&message.header, got, sizeof message.hello))
            greeted(keeper, pid, &message.hello, fd);
        else if (pid > 0 && message.header.kind == CAPTURE_CRASH &&
                 is_whole(&message.header, got, sizeof message.crash))
            crashed(keeper, pid, &message.crash, fd);
        else if (fd >= 0)
            close(fd);
    }
}

void ccol__capture_build_notes(struct keeper *keeper, const struct traced_process *process)
{
    if (process->notes_fd < 0 || process->notes_bytes == 0) return;
    char *into = ccol__build_reserve(&keeper->build, process->notes_bytes);
    ssize_t got = into ? pread(process->notes_fd, into, process->notes_bytes, 0) : -1;
    if (got > 0)
        ccol__build_keep(&keeper->build, SNAPSHOT_NOTES, (uint32_t)process->pid, 0, (size_t)got, 0);
    else
        ccol__build_error(&keeper->build, "no room for the %zu bytes of notes", process->notes_bytes);
}
