/* SPDX-License-Identifier: MIT */
/* S3 event notifications: which crashes were stored. Bytes in, crash ids out, no I/O. */
#ifndef PIGEON_EVENT_H
#define PIGEON_EVENT_H

#include <stdbool.h>
#include <stddef.h>

#define EVENT_ID_LENGTH 36

/* What became of one record of an event. */
enum event_result {
    EVENT_ACCEPTED, /* throttle digit 0: its id is to be published */
    EVENT_DEFERRED, /* digit 1: stored, and not to be processed */
    EVENT_IGNORED   /* another key, event or source */
};

/* id is "" for what is ignored. A non-zero result ends the reading. */
typedef int (*event_fn)(void *user, enum event_result result, const char *id);

/* Reads one event: {"Records": [{eventSource, eventName, s3: {object: {key}}}, ...]}, of AWS (aws:s3) or Ceph
 * (ceph:s3), and calls each() for every record in order. 0; -1: it is not JSON, nested too deep, or no event (nothing
 * was called for a record that is not whole); else what each() returned. */
int event_read(const char *text, size_t length, event_fn each, void *user);

/* The crash id of a raw crash's key, in either layout: v2/raw_crash/ID[0:3]/YYYYMMDD/ID and v1/raw_crash/YYYYMMDD/ID.
 * The key as it is in an event: encoded as in a URL. */
enum event_result event_read_key(const char *key, size_t length, char id[EVENT_ID_LENGTH + 1]);

#endif
