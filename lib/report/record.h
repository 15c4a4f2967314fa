/* SPDX-License-Identifier: MIT */
/* A submitted report as one run of bytes: the form in which the spool keeps it. In order: header, files (each at a
 * multiple of 512), raw crash JSON + NUL, dump names JSON + NUL, file table; zeroes up to a multiple of 4096. Numbers
 * are in the machine's own order, as a spool is read where it was written. Memory that was written is the memory that
 * is read: no copy is made on the way. */
#ifndef CCOL_REPORT_RECORD_H
#define CCOL_REPORT_RECORD_H

#include <crashcollect/error.h>

#include "report/crash_id.h"

struct ccol_report;
struct crash_buffer;
struct crash_pool;

#define RECORD_HEADER_BYTES 512
#define RECORD_ALIGN        4096
#define RECORD_FILE_ALIGN   512 /* where a file starts */
#define RECORD_RULE_SIZE    64

struct record_header {
    char magic[8];        /* "CCOLREC1" */
    uint32_t header_crc;  /* CRC-32C of the header with this field 0 */
    uint32_t payload_crc; /* of payload_bytes after the header */
    uint64_t generation;  /* of the segment it was written to */
    uint64_t sequence;    /* one more than the record before it */
    uint64_t batch_first; /* sequence of the first record of its group commit */
    uint64_t record_bytes, payload_bytes;
    int64_t received_us;
    uint64_t json_offset, json_length; /* offsets from the start of the header */
    uint64_t dump_names_offset, dump_names_length;
    uint64_t files_offset, file_count;
    uint32_t verdict, reserved;
    char id[40];
    char rule[RECORD_RULE_SIZE];
};

/* Completes a report: raw crash, tables, CRC. It is immutable afterwards but for ccol__record_place. -ENOMEM. */
int ccol__record_seal(struct ccol_report *report);
/* Bytes that the sealed report takes in a segment. */
size_t ccol__record_bytes(const struct ccol_report *report);
/* Stamps the place into the header; on the committing thread only. */
void ccol__record_place(struct ccol_report *report, uint64_t generation, uint64_t sequence, uint64_t batch_first);

/* Reads a header. false: no header, or a damaged one. */
bool ccol__record_read_header(struct record_header *out, const void *bytes, size_t length);
/* Makes a sealed report of a whole record; takes the buffer's memory in any case. CCOL_EFORMAT: damaged. */
int ccol__record_open(struct ccol_report **out, struct crash_buffer *take, ccol_error *err);

#endif
