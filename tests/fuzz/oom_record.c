/* SPDX-License-Identifier: MIT */
/* Records of the kernel's log: whatever they hold, what is read of them is bounded text. */
#include <string.h>

#include "fuzz.h"
#include "monitor/oom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct oom_record record;
    char *exact = malloc(size ? size : 1);
    PROPERTY(exact);
    memcpy(exact, data, size);
    if (ccol__oom_record_read(exact, size, &record)) {
        PROPERTY(record.pid > 0);
        PROPERTY(strnlen(record.task, sizeof record.task) < sizeof record.task);
        PROPERTY(strnlen(record.memcg, sizeof record.memcg) < sizeof record.memcg);
    }
    free(exact);
    return 0;
}
