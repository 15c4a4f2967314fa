/* SPDX-License-Identifier: MIT */
/* A report from the inside: how uploads build it and how the queue carries it. */
#ifndef CCOL_REPORT_REPORT_H
#define CCOL_REPORT_REPORT_H

#include <stdatomic.h>

#include <crashcollect/report.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/json.h"
#include "report/crash_buffer.h"
#include "report/crash_id.h"

#define FILE_NAME_MAX 30
#define RULE_NAME_MAX 63

struct report_file {
    char name[FILE_NAME_MAX + 1];
    bool has_sha256;
    uint8_t sha256[SHA256_BYTES];
    size_t offset, length; /* in the report's crash buffer */
};

struct ccol_report {
    atomic_uint references;
    bool sealed;             /* submitted: immutable */
    bool refused;            /* sealed, but the queue had no room for it: may be submitted again */
    bool complete;           /* its annotations are the raw crash's members */
    bool sorted;             /* annotations are in order of name, one of each */
    bool no_checksums;       /* leave out SHA-256 */
    struct crash_pool *pool; /* one reference; may be NULL */
    struct arena arena;      /* charged to the pool's budget */

    struct json **annotations; /* in order of arrival, or sorted; lists and objects have their JSON text in `text` */
    size_t annotation_count, annotation_capacity;
    struct json *notes, **notes_end; /* collector_notes: linked strings */

    struct report_file *files;
    size_t file_count, file_capacity;
    struct crash_buffer bytes; /* the record: room for its header, files, then JSON and tables once sealed */
    struct sha256 *hash;       /* of the file being added */

    char id[CRASH_ID_LENGTH + 1];
    char rule[RULE_NAME_MAX + 1];
    int verdict; /* ccol_verdict */
    int64_t received_us;
    bool payload_is_json, payload_compressed;
    uint64_t payload_size;
    const char *user_agent; /* UTF-8 in the arena, or NULL */

    size_t json_offset, json_length; /* in bytes; the raw crash, NUL-terminated */
    size_t dump_names_offset, dump_names_length;
};

/* A report whose memory comes from pool (may be NULL) and is charged to it. NULL: memory. */
ccol_report *ccol__report_new(struct crash_pool *pool);

/* Adds a node that lives in the report's arena (key and value set) as an annotation. -ENOMEM. */
int ccol__report_add(ccol_report *report, struct json *node);
/* Sets an annotation to text (UTF-8 or WTF-8, may hold NULs). -ENOMEM (memory or budget). Last one of a name wins. */
int ccol__report_annotate(ccol_report *report, const char *name, size_t name_length, const char *value, size_t length);
/* Forgets all annotations and takes the members of a JSON object that lives in the report's arena. */
int ccol__report_replace(ccol_report *report, const struct json *object);
/* Adds one collector note. */
int ccol__report_note(ccol_report *report, const char *text, size_t length);

/* A file in pieces: begin, append..., end. name is cleaned already (ccol__report_clean_name). -ENOMEM. */
int ccol__report_file_begin(ccol_report *report, const char *name);
int ccol__report_file_append(ccol_report *report, const void *data, size_t length);
int ccol__report_file_end(ccol_report *report);

/* Keeps [A-Za-z0-9_], cuts to 30. false: empty, or one of raw_crash, dump_names, processed_crash. */
bool ccol__report_clean_name(char out[FILE_NAME_MAX + 1], const char *name, size_t length);

/* Puts annotations in order of name and drops all but the last of each; likewise files of one name. -ENOMEM. */
int ccol__report_sort(ccol_report *report);
/* Removes an annotation, as discarded fields are: true if it was there. After ccol__report_sort. */
bool ccol__report_remove(ccol_report *report, const char *name);
/* The file of that name, with its size set for the caller; false: there is none. */
bool ccol__report_find_file(const ccol_report *report, const char *name, ccol_file *out);
/* The annotation as a JSON value, or NULL. */
const struct json *ccol__report_find(const ccol_report *report, const char *name);

#endif
