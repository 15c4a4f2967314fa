/* SPDX-License-Identifier: MIT */
/* How a process ended, in words. */
#ifndef CCOL_MONITOR_DEATH_H
#define CCOL_MONITOR_DEATH_H

#include "monitor/oom.h"
#include "monitor/victim.h"

#define SIGNAL_NAME_SIZE 16

/* "SIGSEGV", "SIGRTMIN+2"; returns out. */
const char *ccol__signal_name(char out[SIGNAL_NAME_SIZE], int number);
/* "SEGV_MAPERR", "SI_USER", "" for what has no name. */
const char *ccol__signal_code_name(int number, int code);

/* Everything that CrashReason is made of. */
struct death_words {
    char word[SIGNAL_NAME_SIZE]; /* of the closed set: a signal, OOM, panic, exception, exit, vanished */
    char detail[256];            /* "SEGV_MAPERR at 0x10, stack overflow"; may be "" */
    const char *message;         /* what the program said, one line, or "" */
};

/* Word and detail of a victim's death; oom may be NULL. */
void ccol__death_describe(struct death_words *out, const struct victim *victim, const struct oom_verdict *oom);

#endif
