/* SPDX-License-Identifier: MIT */
#ifndef CCOL_COLLECTOR_INTAKE_PRIVATE_H
#define CCOL_COLLECTOR_INTAKE_PRIVATE_H

#include "collector/intake.h"
#include "report/envelope.h"
#include "report/sentry_fields.h"

#define PROJECT_SIZE 65
#define ITEMS_SIZE   200

enum intake_kind { INTAKE_FORM, INTAKE_DUMP, INTAKE_ENVELOPE, INTAKE_STORE };

struct intake {
    enum intake_kind kind;
    ccol_report *report; /* borrowed */
    struct intake_limits limits;
    char project[PROJECT_SIZE];
    bool authenticated; /* else the header of the envelope must do it */
    unsigned status;
    const char *why;
    char id[SENTRY_ID_SIZE]; /* of the event; "" if there is none */

    /* An envelope, or the event of /store/ */
    struct envelope_parser *parser;
    struct crash_buffer kept; /* all of it but the minidump */
    enum { ITEM_KEPT, ITEM_EVENT, ITEM_DUMP } item;
    bool has_dump, has_event;
    size_t event_at, event_length; /* in kept */
    char items[ITEMS_SIZE];        /* types of its items, with commas between them */
};

/* intake_auth.c: refuses it unless it is refused already; CCOL_EFORMAT. */
int ccol__intake_refuse(struct intake *intake, unsigned status, const char *why);
/* Lets in whoever shows exactly one key that is on the list. */
void ccol__intake_authenticate(struct intake *intake, const ccol_upload_info *info);
/* The same by the DSN in an envelope's header, where nothing else did. */
int ccol__intake_authenticate_dsn(struct intake *intake, const char *dsn);

/* intake_envelope.c */
int ccol__intake_envelope_begin(struct intake *intake);
int ccol__intake_envelope_finish(struct intake *intake);
int ccol__intake_store_finish(struct intake *intake);
/* Annotates what throttle rules and people look at, unless the client did; keeps the event's id. -ENOMEM. */
int ccol__intake_describe(struct intake *intake, const struct json *event);
/* Appends bytes to the file that was begun. -ENOMEM. */
int ccol__intake_copy(ccol_report *report, const struct crash_buffer *bytes);

/* intake_dump.c: the minidump of a form or a raw body, unpacked where it came packed, and what came with it. */
int ccol__intake_dump_finish(struct intake *intake);

#endif
