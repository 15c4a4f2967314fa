/* SPDX-License-Identifier: MIT */
/* A ring that says anything at all of itself: reading ends, and never leaves the mapping. The input is head, tail,
 * start position, and what lies at the ring's beginning. */
#include <string.h>

#include "fuzz.h"
#include "keeper/ring.h"

#define DATA_BYTES RING_CAPACITY_LEAST

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char out[RING_RECORD_MAX];
    struct ring_header *header = calloc(1, sizeof *header);
    char *bytes = calloc(1, DATA_BYTES);
    uint64_t numbers[3], lost = 0;
    struct ring_record record;
    if (header && bytes && size >= sizeof numbers) {
        memcpy(numbers, data, sizeof numbers);
        size -= sizeof numbers;
        memcpy(bytes, data + sizeof numbers, size < DATA_BYTES ? size : DATA_BYTES);
        header->head = numbers[0];
        header->tail = numbers[1];
        struct ring_view view = {.header = header, .data = bytes, .capacity = DATA_BYTES};
        uint64_t position = numbers[2];
        unsigned count = 0;
        while (ccol__ring_view_next(&view, &position, &record, out, sizeof out, &lost) == 1) {
            PROPERTY(record.length <= RING_RECORD_MAX);
            PROPERTY(count++ <= DATA_BYTES / sizeof record); /* each moves on */
        }
    }
    free(header);
    free(bytes);
    return 0;
}
