/* SPDX-License-Identifier: MIT */
#include "queues.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "event.h"

#define QUEUES_MAX 32
#define NAME_MAX_  255

struct queue {
    ccol_publisher *publisher;
    unsigned percent;
};

struct queues {
    struct queue items[QUEUES_MAX];
    size_t count;
};

/* What is being read. */
struct flight {
    const struct queues *queues;
    unsigned attempts, accepted, deferred, ignored, throttled;
    ccol_error *err;
};

static int add(struct queues *queues, const char *amqp_url, const char *word, ccol_error *err)
{
    char name[NAME_MAX_ + 1];
    unsigned percent = 100;
    int begins = 0;
    if (sscanf(word, "%3u:%n", &percent, &begins) != 1 || !begins) {
        percent = 100;
        begins = 0;
    }
    if (queues->count == QUEUES_MAX || percent > 100 || strlen(word + begins) > NAME_MAX_ || !word[begins])
        return ccol_fail(err, -EINVAL, "\"%.80s\" is no queue: give NAME or PERCENT:NAME, at most %d of them", word,
                         QUEUES_MAX);
    snprintf(name, sizeof name, "%s", word + begins);
    const ccol_amqp_options options = {.size = sizeof options, .url = amqp_url, .queue = name};
    struct queue *queue = &queues->items[queues->count];
    queue->percent = percent;
    int code = ccol_publisher_new_amqp(&queue->publisher, &options, err);
    if (!code) queues->count++;
    return code;
}

int queues_new(struct queues **out, const char *amqp_url, const char *list, ccol_error *err)
{
    struct queues *queues = calloc(1, sizeof *queues);
    char *words = strdup(list), *rest = words;
    int code = queues && words ? 0 : ccol_fail(err, -ENOMEM, "cannot keep the queues");
    for (char *word; !code && (word = strsep(&rest, ", "));) {
        if (*word) code = add(queues, amqp_url, word, err);
    }
    if (!code && !queues->count) code = ccol_fail(err, -EINVAL, "there is no queue to publish to");
    /* a broker that is down comes back; a queue that is not there, or a wrong password, is told at once */
    for (size_t i = 0; !code && i < queues->count; i++)
        code = ccol_publisher_verify(queues->items[i].publisher, err);
    free(words);
    if (code)
        queues_free(queues);
    else
        *out = queues;
    return code;
}

void queues_free(struct queues *queues)
{
    for (size_t i = 0; queues && i < queues->count; i++)
        ccol_publisher_unref(queues->items[i].publisher);
    free(queues);
}

/* The seed's rule: 100 is all, else the share must exceed a number from 0 to 100. */
static bool falls_into(unsigned percent)
{
    uint32_t random;
    if (percent == 100 || getrandom(&random, sizeof random, 0) != sizeof random) return percent > 0;
    return percent > random % 101;
}

static int publish(const struct flight *flight, ccol_publisher *publisher, const char *id)
{
    for (unsigned attempt = 1;; attempt++) {
        int code = ccol_publisher_publish(publisher, id, flight->err);
        if (!code || attempt >= flight->attempts) return code;
        const struct timespec pause = {.tv_sec = 1};
        nanosleep(&pause, NULL);
    }
}

static int take_record(void *user, enum event_result result, const char *id)
{
    struct flight *flight = user;
    flight->accepted += result == EVENT_ACCEPTED;
    flight->deferred += result == EVENT_DEFERRED;
    flight->ignored += result == EVENT_IGNORED;
    if (result != EVENT_ACCEPTED) return 0;
    for (size_t i = 0; i < flight->queues->count; i++) {
        const struct queue *queue = &flight->queues->items[i];
        if (!falls_into(queue->percent)) {
            flight->throttled++;
            continue;
        }
        int code = publish(flight, queue->publisher, id);
        if (code) return code;
    }
    return 0;
}

int queues_take_event(struct queues *queues, const char *text, size_t length, unsigned attempts, ccol_error *err)
{
    struct flight flight = {.queues = queues, .attempts = attempts, .err = err};
    int code = event_read(text, length, take_record, &flight);
    if (code == -1) return ccol_fail(err, -EINVAL, "this is no S3 event");
    fprintf(stderr, "pigeon: accepted %u, deferred %u, ignored %u, throttled %u%s%s\n", flight.accepted,
            flight.deferred, flight.ignored, flight.throttled, code ? "; failed: " : "", code ? err->text : "");
    return code;
}
