/* SPDX-License-Identifier: MIT */
#include "capture/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SEND_WAIT_MS 1000

static struct {
    int fd;         /* -1: nobody watches */
    uint64_t inode; /* of the socket; another one is another file under the same number */
    char flags[8];
    pid_t keeper; /* 0: in another pid namespace */
    bool handler;
    _Atomic(struct notes *) notes;
} watch = {.fd = -1};

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Does the descriptor still lead to the keeper? Programs close what they do not know, and use the number again. */
static bool is_connected(void)
{
    struct stat status;
    return watch.fd >= 0 && fstat(watch.fd, &status) == 0 && S_ISSOCK(status.st_mode) &&
           (uint64_t)status.st_ino == watch.inode;
}

static void start_in_child(void);

/* "FD:INODE:FLAGS" */
static void read_environment(void)
{
    char *end = NULL;
    const char *value = secure_getenv(CAPTURE_VARIABLE); /* who starts a setuid program must not get its memory */
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (!value) return;
    long fd = strtol(value, &end, 10);
    if (end == value || *end != ':') return;
    watch.inode = strtoull(end + 1, &end, 10);
    if (*end != ':' || strlen(end + 1) >= sizeof watch.flags) return;
    memcpy(watch.flags, end + 1, strlen(end + 1) + 1);
    watch.fd = (int)fd;
    if (!is_connected()) watch.fd = -1;
    if (watch.fd < 0) return;
    if (getsockopt(watch.fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0) watch.keeper = peer.pid;
    pthread_atfork(NULL, NULL, start_in_child);
}

bool ccol__watch_start(void)
{
    pthread_once(&once, read_environment);
    return watch.fd >= 0;
}

bool ccol__watch_has(char flag)
{
    return strchr(watch.flags, flag) != NULL;
}

bool ccol__watch_is_traced(void)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (got <= 0) return false;
    text[got] = '\0';
    const char *line = strstr(text, "\nTracerPid:");
    return line && watch.keeper && strtol(line + strlen("\nTracerPid:"), NULL, 10) == watch.keeper;
}

void ccol__watch_fill_header(struct capture_header *header, enum capture_kind kind, uint32_t length)
{
    *header = (struct capture_header){.magic = CAPTURE_MAGIC,
                                      .version = CAPTURE_VERSION,
                                      .kind = (uint16_t)kind,
                                      .length = length,
                                      .pid = (int32_t)syscall(SYS_getpid),
                                      .tid = (int32_t)syscall(SYS_gettid)};
}

/* One packet with a descriptor (-1: none). Waits for a keeper that is busy, but not for long. */
static bool send_packet(const void *message, size_t length, int descriptor, int wait_ms)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec from = {(void *)(uintptr_t)message, length};
    struct msghdr packet = {.msg_iov = &from, .msg_iovlen = 1};
    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        packet.msg_control = &control;
        packet.msg_controllen = sizeof control;
        struct cmsghdr *part = CMSG_FIRSTHDR(&packet);
        *part = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
    }
    for (int attempt = 0; attempt < 8; attempt++) {
        if (sendmsg(watch.fd, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length) return true;
        if (errno != EAGAIN && errno != EINTR) return false;
        struct pollfd room = {.fd = watch.fd, .events = POLLOUT};
        if (errno == EAGAIN && poll(&room, 1, wait_ms) == 0) return false;
    }
    return false;
}

/* Memory for the notes, shared with whoever gets *fd; NULL: none to be had. */
static struct notes *map_notes(int *fd)
{
    *fd = (int)syscall(SYS_memfd_create, "crashcollect-notes", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0) return NULL;
    void *memory = MAP_FAILED;
    /* it must not shrink under the keeper's eyes */
    if (ftruncate(*fd, (off_t)NOTES_BYTES) == 0 &&
        fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        memory = mmap(NULL, NOTES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    if (memory != MAP_FAILED) return memory;
    close(*fd);
    *fd = -1;
    return NULL;
}

static void greet(const struct notes *inherited)
{
    int fd = -1;
    struct notes *notes = ccol__watch_has(CAPTURE_FLAG_NOTES) ? map_notes(&fd) : NULL;
    struct capture_hello hello = {.notes_bytes = notes ? (uint32_t)NOTES_BYTES : 0, .handler = watch.handler};
    ccol__watch_fill_header(&hello.header, CAPTURE_HELLO, sizeof hello);
    if (notes) {
        ccol__notes_init(notes, hello.header.pid);
        if (inherited) ccol__notes_inherit(notes, inherited);
    }
    send_packet(&hello, sizeof hello, fd, SEND_WAIT_MS);
    if (fd >= 0) close(fd);
    atomic_store(&watch.notes, notes);
}

void ccol__watch_greet(bool handler)
{
    watch.handler = watch.handler || handler;
    if (!is_connected() || atomic_load(&watch.notes)) return;
    greet(NULL);
}

static void start_in_child(void)
{
    struct notes *inherited = atomic_exchange(&watch.notes, NULL);
    if (!inherited) return;
    if (is_connected()) greet(inherited);
    munmap(inherited, NOTES_BYTES);
}

struct notes *ccol__watch_notes(void)
{
    return atomic_load(&watch.notes);
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void ccol__watch_hand_over(struct capture_crash *crash)
{
    int ends[2];
    if (!is_connected() || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
    prctl(PR_SET_PTRACER, watch.keeper ? (unsigned long)watch.keeper : PR_SET_PTRACER_ANY, 0, 0, 0);
    ccol__watch_fill_header(&crash->header, CAPTURE_CRASH, sizeof *crash);
    bool sent = send_packet(crash, sizeof *crash, ends[1], SEND_WAIT_MS);
    close(ends[1]);
    uint64_t deadline = now_ms() + CAPTURE_WAIT_MS;
    for (uint64_t now = now_ms(); sent && now < deadline; now = now_ms()) {
        struct pollfd answer = {.fd = ends[0], .events = POLLIN};
        if (poll(&answer, 1, (int)(deadline - now)) > 0) break; /* a byte, or the end */
    }
    close(ends[0]);
}
