/* SPDX-License-Identifier: MIT */
#include "queue/retry.h"

#include "base/random.h"

uint64_t ccol__backoff_pause_ms(struct backoff *backoff, unsigned attempt, unsigned retry_after_s)
{
    uint64_t pause = backoff->first_ms;
    for (unsigned i = 1; i < attempt && pause < backoff->max_ms; i++)
        pause *= 2;
    if (pause > backoff->max_ms) pause = backoff->max_ms;
    pause = pause / 2 + ccol__random_next(&backoff->random) % (pause / 2 + 1);
    uint64_t asked = (uint64_t)retry_after_s * 1000;
    return asked > pause ? asked : pause;
}

bool ccol__gate_pass(struct gate *gate, uint64_t now_ms, uint64_t probe_ms)
{
    if (!gate->closed_until_ms) return true;
    if (now_ms < gate->closed_until_ms) return false;
    gate->closed_until_ms = now_ms + probe_ms;
    return true;
}

void ccol__gate_failed(struct gate *gate, struct backoff *backoff, uint64_t now_ms, unsigned retry_after_s)
{
    uint64_t held_until_ms = now_ms + (uint64_t)retry_after_s * 1000;
    if (retry_after_s && gate->held_until_ms < held_until_ms) gate->held_until_ms = held_until_ms;
    gate->failures++;
    if (gate->failures < gate->threshold && !retry_after_s) return;
    unsigned rounds = gate->failures < gate->threshold ? 1 : gate->failures - gate->threshold + 1;
    gate->closed_until_ms = now_ms + ccol__backoff_pause_ms(backoff, rounds, retry_after_s);
    if (gate->closed_until_ms < gate->held_until_ms) gate->closed_until_ms = gate->held_until_ms;
}

void ccol__gate_unused(struct gate *gate, uint64_t now_ms)
{
    uint64_t soonest_ms = gate->held_until_ms > now_ms ? gate->held_until_ms : now_ms;
    if (gate->closed_until_ms > soonest_ms) gate->closed_until_ms = soonest_ms;
}

bool ccol__gate_succeeded(struct gate *gate, uint64_t now_ms)
{
    bool was_closed = gate->closed_until_ms != 0;
    gate->failures = 0;
    if (now_ms < gate->held_until_ms) return false;
    gate->closed_until_ms = 0;
    return was_closed;
}
