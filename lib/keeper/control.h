/* SPDX-License-Identifier: MIT */
/* What a host and the keeper that it forked say to each other over a SOCK_SEQPACKET socket. */
#ifndef CCOL_KEEPER_CONTROL_H
#define CCOL_KEEPER_CONTROL_H

#include <stdint.h>

enum control_kind {
    CONTROL_STARTED = 1, /* to the host: the app runs; value: its pid */
    CONTROL_FAILED = 2,  /* to the host: it could not be started; value: -errno, text: why */
    CONTROL_ENDED = 3,   /* to the host: value: the wait status, flags: enum control_flags */
    CONTROL_SIGNAL = 4   /* to the keeper: send the app the signal `value` */
};

enum control_flags { CONTROL_OUT_OF_MEMORY = 1, CONTROL_REPORTED = 2 };

struct control_message {
    uint32_t kind, flags;
    int32_t value, pid;
    char text[240];
};

#endif
