/* SPDX-License-Identifier: MIT */
/* What a watched program and its keeper say to each other. One SOCK_SEQPACKET socket is inherited by the program and
 * all its children; each message is one packet from one thread. Both ends are of one build or refuse each other.
 *
 * The keeper makes the pair with socketpair, leaves its own end non-blocking with SO_PASSCRED (the sender's pid then
 * comes from the kernel), and puts CAPTURE_VARIABLE=FD:INODE:FLAGS into the program's environment: the descriptor's
 * number, its st_ino (a descriptor that was closed and used again is seen by that), and letters of CAPTURE_FLAG_*.
 *
 *   hello   once per process (again after fork and exec), with the memory of its notes (notes.h) as descriptor.
 *   crash   from the handler, on the crashed thread, with a socket as descriptor. The thread waits on it, at most
 *           CAPTURE_WAIT_MS, for one byte or its end; the keeper copies what it wants in that time (PR_SET_PTRACER is
 *           set) and closes it. Then the thread dies of its signal, or of what an earlier handler does with it. */
#ifndef CCOL_CAPTURE_WIRE_H
#define CCOL_CAPTURE_WIRE_H

#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#define CAPTURE_VARIABLE "CRASHCOLLECT_CAPTURE"

#define CAPTURE_FLAG_HANDLER 'h' /* install the handler (mode preload); without it the app's own call does (attach) */
#define CAPTURE_FLAG_NOTES   'n' /* keep notes: annotations, breadcrumbs, log */
#define CAPTURE_FLAG_LINES   'l' /* stdout is line-buffered, as stdbuf -oL does; works with FD -1 as well */

#define CAPTURE_MAGIC   UINT32_C(0x50414343) /* "CCAP" */
#define CAPTURE_VERSION 1
#define CAPTURE_WAIT_MS 10000

enum capture_kind { CAPTURE_HELLO = 1, CAPTURE_CRASH = 2 };

struct capture_header {
    uint32_t magic;
    uint16_t version;
    uint16_t kind;    /* enum capture_kind */
    uint32_t length;  /* of the whole message */
    int32_t pid, tid; /* as the sender sees itself: in its pid namespace */
};

struct capture_hello {
    struct capture_header header;
    uint32_t notes_bytes; /* size of the memory that comes along */
    uint32_t handler;     /* 1: the handler is installed */
};

struct capture_crash {
    struct capture_header header;
    int32_t signal;
    uint32_t handler_frames; /* 1: an earlier handler ran first and gave up */
    siginfo_t info;
    ucontext_t context;       /* its fpregs pointer is of the sender; the state itself follows */
    uint8_t float_state[512]; /* x86-64: the FXSAVE area; aarch64: unused, it is in the context */
    char thread_name[16];
    char message[256]; /* of the app, "" if it set none: why it aborts (ccol_capture_message) */
};

#endif
