/* SPDX-License-Identifier: MIT */
/* When to try again. A report that failed waits for itself (backoff); a place that fails one report after the other is
 * left alone altogether but for one probe at a time (gate). Not thread-safe: the save queue's lock guards them. */
#ifndef CCOL_QUEUE_RETRY_H
#define CCOL_QUEUE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct backoff {
    unsigned first_ms, max_ms;
    uint64_t random; /* state of the jitter */
};

/* Pause after the attempt-th failure (1, 2, ...): doubled each time, then between half and all of it by chance. At
 * least retry_after_s where the far end named one. */
uint64_t ccol__backoff_pause_ms(struct backoff *backoff, unsigned attempt, unsigned retry_after_s);

struct gate {
    unsigned threshold;       /* failures in a row that close it */
    unsigned failures;        /* in a row */
    uint64_t closed_until_ms; /* 0: open */
    uint64_t held_until_ms;   /* the far end asked to be left alone so long; nothing opens the gate before */
};

/* Whether somebody may try now. While it is closed one is let through when the time has come, and it stays closed for
 * probe_ms more, or until the probe's result is told. */
bool ccol__gate_pass(struct gate *gate, uint64_t now_ms, uint64_t probe_ms);
void ccol__gate_failed(struct gate *gate, struct backoff *backoff, uint64_t now_ms, unsigned retry_after_s);
/* Who was let through did not try after all. */
void ccol__gate_unused(struct gate *gate, uint64_t now_ms);
/* An attempt succeeded, or the far end was found well. true if that opens a closed gate: what was put off because of it
 * may be tried at once. */
bool ccol__gate_succeeded(struct gate *gate, uint64_t now_ms);

#endif
