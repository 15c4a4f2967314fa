/* SPDX-License-Identifier: MIT */
/* One of the app's outputs: read, kept in the ring, passed on to where it would have gone. */
#ifndef CCOL_KEEPER_OUTPUT_H
#define CCOL_KEEPER_OUTPUT_H

#include "keeper/courier.h"
#include "keeper/keeper.h"
#include "keeper/ring.h"

struct output {
    int from;     /* non-blocking end of the keeper; -1: closed */
    int app_end;  /* the app's end until it was started, -1 afterwards (of a pty it stays open) */
    int to;       /* the real one, -1: there is none */
    bool is_ours; /* to is a description of the keeper's own, non-blocking */
    bool is_socket, is_plain_file, is_pty, drops;
    unsigned stall_ms;    /* with drops: a reader that takes nothing for so long is waited for no more */
    uint64_t progress_ms; /* when it took something last, or had nothing to take */
    enum ring_stream stream;
    char *buffer; /* what waits to be passed on; shared with the courier */
    size_t capacity, start, length;
    const struct courier *courier;   /* who writes it; NULL: the keeper itself */
    struct courier_writing *writing; /* the order for that */
    size_t lent;                     /* bytes from start on that the courier has */
    bool was_full;                   /* it could not write any */
};

/* Opens pipe or pty for the real descriptor `to`. 0 or -errno. */
int ccol__output_init(struct output *output, int to, enum ring_stream stream, enum output_policy policy, bool pty,
                      size_t capacity, unsigned stall_ms);
void ccol__output_fini(struct output *output);
/* Do both descriptors lead to the same file? Then one pipe for both keeps the order of what is written. */
bool ccol__output_is_same(int one, int other);
/* Milliseconds until a full output's reader counts as stalled; -1: it is not full, or nobody gives up on it. */
int ccol__output_patience(const struct output *output, uint64_t now_ms);
/* Events of `from` and `to` to poll for; 0: none now. */
short ccol__output_wants_from(const struct output *output);
short ccol__output_wants_to(const struct output *output);
/* Moves what is there without waiting: reads once, writes once or has it written. False: nothing could be read. */
bool ccol__output_read(struct output *output, struct ring *ring);
void ccol__output_write(struct output *output, struct ring *ring);
/* The courier's part: writes from the buffer what can be written now; as write(2). */
ssize_t ccol__output_write_some(const struct output *output, size_t start, size_t length);
/* Its buffer is written by the courier from now on; ... */
void ccol__output_use_courier(struct output *output, const struct courier *courier, struct courier_writing *writing);
/* ... and by this process again. What the courier has just now counts as written. */
void ccol__output_without_courier(struct output *output);
/* Gives up what waits to be passed on, and counts it. */
void ccol__output_drop(struct output *output, struct ring *ring);

#endif
