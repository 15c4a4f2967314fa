/* SPDX-License-Identifier: MIT */
/* Every line of a program into a file that is rotated, as text or as JSON lines. Whole lines only, so that several
 * programs may share a file. One thread at a time. */
#ifndef CCOL_MONITOR_LOG_OUTPUT_H
#define CCOL_MONITOR_LOG_OUTPUT_H

#include "monitor/log_event.h"

struct log_output_options {
    const char *path;
    bool json;           /* {"time", "stream", "level", "logger", "message"}; else the bytes as they came */
    uint64_t bytes_most; /* of one file, then FILE becomes FILE.1, that FILE.2, and so on; 0: never */
    unsigned files_most; /* old ones that are kept */
};

struct log_output;
/* -ENOMEM; -errno: the file cannot be opened. The reader is borrowed. */
int ccol__log_output_new(struct log_output **out, const struct log_output_options *options,
                         const struct log_line_reader *lines, ccol_error *err);
void ccol__log_output_feed(struct log_output *output, const struct log_piece *piece);
/* Puts a note of ours between the lines. */
void ccol__log_output_note(struct log_output *output, int64_t at_us, const char *text);
/* Writes what was fed. -errno: it was lost, and counted. */
int ccol__log_output_flush(struct log_output *output, ccol_error *err);
/* Whether all that was fed were whole lines. */
bool ccol__log_output_is_even(const struct log_output *output);
/* Writes lines without an end as well. */
void ccol__log_output_finish(struct log_output *output);
void ccol__log_output_free(struct log_output *output);

#endif
