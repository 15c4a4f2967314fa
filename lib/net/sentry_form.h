/* SPDX-License-Identifier: MIT */
/* What Sentry's endpoint for minidumps takes, as crash reporters send it: a form with the field `sentry`, parts of an
 * event as JSON, and files. Lifetimes and failure as of struct pieces. */
#ifndef CCOL_NET_SENTRY_FORM_H
#define CCOL_NET_SENTRY_FORM_H

#include "net/pieces.h"

struct sentry_form {
    struct pieces pieces;
    char boundary[33];
};

/* Begins with the event. -EIO: no random bytes. */
int ccol__sentry_form_init(struct sentry_form *form, const char *event, size_t length);
void ccol__sentry_form_add(struct sentry_form *form, const char *name, const char *filename, const void *data,
                           size_t length);
/* After the last file. */
void ccol__sentry_form_end(struct sentry_form *form);
void ccol__sentry_form_fini(struct sentry_form *form);

#endif
