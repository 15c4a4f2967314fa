/* SPDX-License-Identifier: MIT */
/* S3 events as pigeon reads them: whatever comes in, what comes out is a crash id or nothing. */
#include <string.h>

#include "fuzz.h"

#include "../../examples/pigeon/event.c"

struct seen {
    unsigned records;
    unsigned end_after;
};

static int look(void *user, enum event_result result, const char *id)
{
    struct seen *seen = user;
    if (result == EVENT_ACCEPTED) {
        char again[EVENT_ID_LENGTH + 1], key[] = "v1/raw_crash/20260101/xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
        PROPERTY(strlen(id) == EVENT_ID_LENGTH && id[EVENT_ID_LENGTH - 7] == '0');
        memcpy(key + strlen(key) - EVENT_ID_LENGTH, id, EVENT_ID_LENGTH);
        PROPERTY(event_read_key(key, strlen(key), again) == EVENT_ACCEPTED && strcmp(again, id) == 0);
    } else {
        PROPERTY(!*id);
    }
    return ++seen->records == seen->end_after ? 7 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    char id[EVENT_ID_LENGTH + 1];
    struct seen all = {0}, first = {.end_after = 1};
    int code = event_read(text, size, look, &all);
    PROPERTY(code == 0 || code == -1);
    int ended = event_read(text, size, look, &first);
    PROPERTY(all.records ? ended == 7 && first.records == 1 : ended == code);
    PROPERTY((event_read_key(text, size, id) == EVENT_ACCEPTED) == (strlen(id) == EVENT_ID_LENGTH));
    return 0;
}
