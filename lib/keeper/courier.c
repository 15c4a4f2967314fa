/* SPDX-License-Identifier: MIT */
#include "keeper/courier.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

int ccol__courier_open(struct courier *courier)
{
    int ends[2];
    void *memory =
        mmap(NULL, sizeof *courier->orders, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return -errno;
    courier->orders = memory;
    /* what is not used of the modules' table stays untouched */
    memset(memory, 0, offsetof(struct courier_orders, reading.facts.modules));
    memset(courier->orders->writing, 0, sizeof courier->orders->writing);
    courier->ask_fd = eventfd(0, EFD_CLOEXEC);
    courier->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (courier->ask_fd < 0 || courier->done_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return -errno;
    courier->maps_read_fd = ends[0];
    courier->maps_send_fd = ends[1];
    return 0;
}

union descriptor_message {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
};

void ccol__courier_send_maps(const struct courier *courier, int fd)
{
    char byte = 0;
    union descriptor_message control;
    struct iovec from = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &from, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    memset(&control, 0, sizeof control);
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    while (sendmsg(courier->maps_send_fd, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

int ccol__courier_take_maps(const struct courier *courier)
{
    char byte;
    int fd = -1;
    union descriptor_message control;
    struct iovec into = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &into, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (recvmsg(courier->maps_read_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1) return -1;
    const struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    if (part && part->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(part), sizeof fd);
    return fd;
}

void ccol__courier_forget(struct courier *courier)
{
    courier->pid = 0;
    ccol__courier_fini(courier);
}

void ccol__courier_fini(struct courier *courier)
{
    int *const fds[] = {&courier->ask_fd, &courier->done_fd, &courier->maps_read_fd, &courier->maps_send_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (*fds[i] >= 0) close(*fds[i]);
        *fds[i] = -1;
    }
    if (courier->pid) kill(courier->pid, SIGKILL); /* not waited for: it may hang in a file system */
    courier->pid = 0;
    if (courier->orders) munmap(courier->orders, sizeof *courier->orders);
    courier->orders = NULL;
}

void ccol__courier_ask(const struct courier *courier, _Atomic uint32_t *state)
{
    const uint64_t one = 1;
    atomic_store_explicit(state, COURIER_ASKED, memory_order_release);
    while (write(courier->ask_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void ccol__courier_hear(const struct courier *courier)
{
    uint64_t count;
    while (read(courier->done_fd, &count, sizeof count) < 0 && errno == EINTR) {
    }
}
