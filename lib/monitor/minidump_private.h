/* SPDX-License-Identifier: MIT */
/* What the files that write minidumps share. */
#ifndef CCOL_MONITOR_MINIDUMP_PRIVATE_H
#define CCOL_MONITOR_MINIDUMP_PRIVATE_H

#include "monitor/minidump_parts.h"
#include "monitor/minidump_writer.h"

#define WARNINGS_MOST 64

enum minidump_stream {
    STREAM_THREADS = 3,
    STREAM_MODULES = 4,
    STREAM_MEMORY = 5,
    STREAM_EXCEPTION = 6,
    STREAM_SYSTEM = 7,
    STREAM_MISC = 15,
    STREAM_THREAD_NAMES = 24,
    STREAM_CRASHPAD = 0x43500001,
    STREAM_CPU_INFO = 0x47670003,
    STREAM_STATUS = 0x47670004,
    STREAM_LSB_RELEASE = 0x47670005,
    STREAM_MAPS = 0x47670009,
    STREAM_LIMITS = 0x4d7a0003,
    STREAM_SOFT_ERRORS = 0x4d7a0004
};
#define STREAMS_MOST 16

struct placed_memory {
    uint64_t address;
    struct location at;
};

struct minidump_writer {
    struct buffer *out;
    const struct minidump_input *input;
    const struct victim *victim;
    struct minidump_options options;
    struct {
        uint32_t type;
        struct location at;
    } streams[STREAMS_MOST];
    size_t stream_count;
    struct placed_memory *memories;
    size_t memory_count, memory_room;
    struct location *contexts; /* of the threads written */
    struct placed_memory *stacks;
    size_t thread_count;
    struct location crashed_context;
    char *warnings[WARNINGS_MOST];
    size_t warning_count;
};

/* Notes what is left out. */
void ccol__minidump_warn(struct minidump_writer *writer, const char *format, ...) CCOL_PRINTF(2, 3);
void ccol__minidump_add_stream(struct minidump_writer *writer, enum minidump_stream type, struct location at);
/* What was written since the place. */
struct location ccol__minidump_since(const struct minidump_writer *writer, uint32_t start);

/* The streams that are text, and the annotations; last of all the soft errors. */
void ccol__minidump_put_texts(struct minidump_writer *writer);
void ccol__minidump_put_annotations(struct minidump_writer *writer);
void ccol__minidump_put_soft_errors(struct minidump_writer *writer);

#endif
