/* SPDX-License-Identifier: MIT */
/* What a report's stacktrace_json (version 1) says, in the words of a Sentry event. It came with the report, so nothing
 * in it is believed further than that it is JSON. */
#ifndef CCOL_STORAGE_SENTRY_STACK_H
#define CCOL_STORAGE_SENTRY_STACK_H

#include "base/json_build.h"

/* How much may go into an event. */
struct sentry_fit {
    size_t text;       /* bytes of one text */
    size_t crumb_text; /* of one breadcrumb's message */
    unsigned crumbs;   /* the newest ones */
    unsigned frames;   /* of one stack */
    unsigned stacks;   /* of threads other than the one that crashed */
    unsigned threads, images;
    size_t extra; /* bytes of all extra values together */
};

/* Adds exception, threads, debug_meta (none of the three with `dump_told`), contexts, breadcrumbs, level and timestamp,
 * as far as they are known. */
void ccol__sentry_stack_put(struct json_builder *builder, struct json *event, const struct json *stack,
                            const struct sentry_fit *fit, bool dump_told);
/* Whether the event's exception says more than the crash itself: then a minidump must not take its place. */
bool ccol__sentry_stack_is_composed(const struct json *stack);

/* Cuts text to so many bytes, not inside a character, and copies it. NULL for NULL. */
struct json *ccol__sentry_text(struct json_builder *builder, const char *text, size_t most);
/* The image list of an event. */
void ccol__sentry_images_put(struct json_builder *builder, struct json *event, const struct json *modules,
                             unsigned most);

#endif
