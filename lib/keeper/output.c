/* SPDX-License-Identifier: MIT */
#include "keeper/output.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define PIPE_BYTES  (1 << 20)
#define ROOM_LEAST  4096
#define PIPE_ATOMIC 4096 /* fits wherever poll says that a pipe can be written */

static int open_pipe(struct output *output)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    output->from = ends[0];
    output->app_end = ends[1];
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* where the user's limit allows it */
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? 0 : -errno;
}

/* A terminal for the app that changes no byte and that nobody types on. */
static int open_terminal(struct output *output)
{
    char name[64];
    struct termios modes;
    struct winsize size;
    output->from = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (output->from < 0 || grantpt(output->from) != 0 || unlockpt(output->from) != 0) return -errno;
    int failed = ptsname_r(output->from, name, sizeof name);
    if (failed) return -failed;
    output->app_end = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (output->app_end < 0 || tcgetattr(output->app_end, &modes) != 0) return -errno;
    modes.c_oflag &= ~(tcflag_t)OPOST;
    modes.c_lflag &= ~(tcflag_t)ECHO;
    if (tcsetattr(output->app_end, TCSANOW, &modes) != 0) return -errno;
    if (output->to >= 0 && ioctl(output->to, TIOCGWINSZ, &size) == 0) ioctl(output->from, TIOCSWINSZ, &size);
    return fcntl(output->from, F_SETFL, O_NONBLOCK) == 0 ? 0 : -errno;
}

/* The inherited description is shared with others, so it must stay blocking: a second one of the same pipe or terminal
 * is the keeper's own. Where that cannot be had, poll and small writes must do. */
static void open_own(struct output *output)
{
    struct stat status;
    char path[32];
    if (output->to < 0 || fstat(output->to, &status) != 0) {
        output->to = -1;
        return;
    }
    output->is_socket = S_ISSOCK(status.st_mode);
    output->is_plain_file = S_ISREG(status.st_mode);
    if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode)) return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", output->to);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own < 0) return;
    output->to = own;
    output->is_ours = true;
}

int ccol__output_init(struct output *output, int to, enum ring_stream stream, enum output_policy policy, bool pty,
                      size_t capacity, unsigned stall_ms)
{
    *output =
        (struct output){.from = -1, .app_end = -1, .to = to, .stream = stream, .is_pty = pty, .stall_ms = stall_ms};
    output->drops =
        policy == OUTPUT_DROP || (policy == OUTPUT_AUTO && (stream == RING_STDERR || (to >= 0 && isatty(to))));
    open_own(output);
    output->capacity = capacity;
    output->buffer = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (output->buffer == MAP_FAILED) {
        output->buffer = NULL;
        return -errno;
    }
    return pty ? open_terminal(output) : open_pipe(output);
}

void ccol__output_fini(struct output *output)
{
    if (output->from >= 0) close(output->from);
    if (output->app_end >= 0) close(output->app_end);
    if (output->is_ours) close(output->to);
    if (output->buffer) munmap(output->buffer, output->capacity);
    *output = (struct output){.from = -1, .app_end = -1, .to = -1};
}

bool ccol__output_is_same(int one, int other)
{
    struct stat a, b;
    return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino &&
           a.st_rdev == b.st_rdev;
}

static size_t room(const struct output *output)
{
    return output->capacity - output->length;
}

static bool is_full(const struct output *output)
{
    bool at_end = output->lent && output->capacity - output->start - output->length < ROOM_LEAST;
    return output->to >= 0 && (room(output) < ROOM_LEAST || at_end);
}

int ccol__output_patience(const struct output *output, uint64_t now_ms)
{
    if (!output->drops || !is_full(output)) return -1;
    uint64_t waited = now_ms - output->progress_ms;
    return waited < output->stall_ms ? (int)(output->stall_ms - waited) : 0;
}

/* May the app's output be read although its reader has left no room for it? */
static bool gives_up(const struct output *output)
{
    return ccol__output_patience(output, ccol__clock_monotonic_ms()) == 0;
}

short ccol__output_wants_from(const struct output *output)
{
    return output->from >= 0 && (!is_full(output) || gives_up(output)) ? POLLIN : 0;
}

short ccol__output_wants_to(const struct output *output)
{
    return output->length > 0 && !output->lent && output->to >= 0 ? POLLOUT : 0;
}

/* The buffer's free end, at least ROOM_LEAST long, or NULL. */
static char *free_end(struct output *output, size_t *bytes)
{
    if (room(output) < ROOM_LEAST) return NULL;
    if (output->length == 0) output->start = 0;
    if (output->capacity - output->start - output->length < ROOM_LEAST) {
        if (output->lent) return NULL; /* it must not be moved now */
        memmove(output->buffer, output->buffer + output->start, output->length);
        output->start = 0;
    }
    *bytes = output->capacity - output->start - output->length;
    return output->buffer + output->start + output->length;
}

static void count_dropped(struct output *output, struct ring *ring, size_t bytes)
{
    if (ring->header)
        atomic_fetch_add_explicit(&ring->header->dropped[output->stream - 1], bytes, memory_order_relaxed);
}

static void close_from(struct output *output)
{
    close(output->from);
    output->from = -1;
}

/* What was read, and is dropped where it did not go into the buffer. */
static void took(struct output *output, struct ring *ring, const char *bytes, size_t length, bool drop)
{
    ccol__ring_append(ring, output->stream, bytes, length, ccol__clock_now_us());
    if (drop) {
        if (output->to >= 0) count_dropped(output, ring, length);
        return;
    }
    if (output->length == 0) output->progress_ms = ccol__clock_monotonic_ms();
    output->length += length;
}

bool ccol__output_read(struct output *output, struct ring *ring)
{
    static char thrown_away[RING_RECORD_MAX];
    size_t size = sizeof thrown_away;
    if (output->from < 0) return false;
    char *into = output->to >= 0 ? free_end(output, &size) : NULL;
    bool drop = !into;
    if (drop && output->to >= 0 && !gives_up(output)) return false;
    if (drop) into = thrown_away;
    ssize_t got = read(output->from, into, size < RING_RECORD_MAX ? size : RING_RECORD_MAX);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (got <= 0) { /* a terminal whose last other end is closed says EIO */
        close_from(output);
        return false;
    }
    took(output, ring, into, (size_t)got, drop);
    return true;
}

static bool can_be_written(const struct output *output)
{
    struct pollfd ready = {.fd = output->to, .events = POLLOUT};
    return poll(&ready, 1, 0) == 1 && ready.revents & (POLLOUT | POLLERR);
}

ssize_t ccol__output_write_some(const struct output *output, size_t start, size_t length)
{
    const char *bytes = output->buffer + start;
    if (output->is_socket) return send(output->to, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (output->is_ours || output->is_plain_file) return write(output->to, bytes, length);
    if (!can_be_written(output)) {
        errno = EAGAIN;
        return -1;
    }
    return write(output->to, bytes, length < PIPE_ATOMIC ? length : PIPE_ATOMIC);
}

/* Acts upon what a write gave. */
static void settle(struct output *output, struct ring *ring, ssize_t wrote, int error)
{
    if (wrote > 0) {
        output->start += (size_t)wrote;
        output->length -= (size_t)wrote;
        output->progress_ms = ccol__clock_monotonic_ms();
        return;
    }
    output->was_full = error == EAGAIN;
    if (error == EAGAIN || error == EINTR) return;
    if (error == EPIPE || error == ECONNRESET) {
        /* nobody reads any more: the app is to notice as it would without a keeper in between */
        ccol__output_drop(output, ring);
        if (output->from >= 0) close_from(output);
        return;
    }
    ccol__output_drop(output, ring); /* full disk, terminal gone */
}

/* Takes the courier's answer, if there is one; false: it is still at it. */
static bool collect(struct output *output, struct ring *ring)
{
    struct courier_writing *writing = output->writing;
    if (!output->lent) return true;
    if (atomic_load_explicit(&writing->state, memory_order_acquire) != COURIER_DONE) return false;
    output->lent = 0;
    settle(output, ring, writing->wrote, writing->error);
    return true;
}

void ccol__output_write(struct output *output, struct ring *ring)
{
    if (!collect(output, ring) || output->length == 0 || output->to < 0) return;
    if (!output->courier) {
        ssize_t wrote = ccol__output_write_some(output, output->start, output->length);
        settle(output, ring, wrote, errno);
        return;
    }
    if (output->was_full && !can_be_written(output)) return;
    output->was_full = false;
    output->writing->start = output->start;
    output->writing->length = output->lent = output->length;
    ccol__courier_ask(output->courier, &output->writing->state);
}

void ccol__output_use_courier(struct output *output, const struct courier *courier, struct courier_writing *writing)
{
    output->courier = courier;
    output->writing = writing;
}

void ccol__output_without_courier(struct output *output)
{
    output->courier = NULL;
    output->start += output->lent;
    output->length -= output->lent;
    output->lent = 0;
}

void ccol__output_drop(struct output *output, struct ring *ring)
{
    if (output->length == output->lent) return;
    count_dropped(output, ring, output->length - output->lent);
    output->length = output->lent;
}
