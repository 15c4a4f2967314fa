/* SPDX-License-Identifier: MIT */
/* The keeper's courier: a process of its own that makes those system calls for it that may have to wait for memory.
 *
 * In a memory cgroup that is full, whoever asks for a page, for a pipe's buffer or for an open file waits until what is
 * killed there is gone; that in turn stands in its exit stop until the keeper has seen it. A keeper that waits for
 * memory then sees it two seconds late: the kernel has taken the victim's memory itself by then, and its stacks with
 * it. So while an app runs the keeper makes no call that takes memory, and what its courier has to wait for harms
 * nobody.
 *
 * Orders and answers lie in memory that both share, one place for each kind of order. A place is the courier's from
 * COURIER_ASKED to COURIER_DONE and the keeper's else; either wakes the other by an eventfd, which takes no memory. A
 * courier that is gone is not replaced: its keeper does the work itself. */
#ifndef CCOL_KEEPER_COURIER_H
#define CCOL_KEEPER_COURIER_H

#include <stdatomic.h>

#include "keeper/facts.h"

#define COURIER_NAMES   512
#define COURIER_OUTPUTS 2

enum courier_state { COURIER_FREE = 0, COURIER_ASKED, COURIER_DONE };

/* Facts of a process and names of its threads. */
struct courier_reading {
    _Atomic uint32_t state;
    uint32_t generation; /* of the process, so that the keeper knows whom the answer is about */
    pid_t pid;
    bool wants_maps, has_maps; /* has: its maps were opened, and the descriptor sent */
    size_t count;
    pid_t tids[COURIER_NAMES];
    char names[COURIER_NAMES][16]; /* "": not known */
    struct process_facts facts;    /* all but the modules */
};

/* A piece of an output's buffer that is to be written to where it goes. */
struct courier_writing {
    _Atomic uint32_t state;
    size_t start, length;
    ssize_t wrote; /* or -1, with error */
    int error;
};

struct courier_orders {
    struct courier_reading reading;
    struct courier_writing writing[COURIER_OUTPUTS];
};

struct courier {
    pid_t pid; /* 0: there is none */
    struct courier_orders *orders;
    int ask_fd, done_fd;            /* eventfds: to the courier, to the keeper */
    int maps_read_fd, maps_send_fd; /* socket on which descriptors come */
};

/* Makes what both share. 0 or -errno; _fini is called in either case. */
int ccol__courier_open(struct courier *courier);
/* Ends the courier, if there is one, and lets go of all. */
void ccol__courier_fini(struct courier *courier);
/* For other children of the keeper, which have no use for it, and when it is gone. */
void ccol__courier_forget(struct courier *courier);
/* Hands over an order that was filled in. */
void ccol__courier_ask(const struct courier *courier, _Atomic uint32_t *state);
/* Takes what wakes the keeper out of done_fd. */
void ccol__courier_hear(const struct courier *courier);
/* The courier's part of a reading whose has_maps is set, which leaves the descriptor the caller's. */
void ccol__courier_send_maps(const struct courier *courier, int fd);
/* The descriptor that came with it; the caller's. -1: there is none. */
int ccol__courier_take_maps(const struct courier *courier);

#endif
