/* SPDX-License-Identifier: MIT */
#include <crashcollect/capture.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "capture/handler.h"
#include "capture/watch.h"

static pthread_mutex_t installing = PTHREAD_MUTEX_INITIALIZER;
static bool has_handler;

/* The capture library links nothing else, ccol_fail neither. */
static int fail(ccol_error *err, int code, const char *text)
{
    if (!err) return code;
    err->code = code;
    err->retry_after_s = 0;
    snprintf(err->text, sizeof err->text, "%s: %s", text, strerrordesc_np(-code));
    return code;
}

int ccol_capture_install(ccol_error *err)
{
    if (!ccol__watch_start()) return 0;
    int code = 0;
    pthread_mutex_lock(&installing);
    bool wanted = !has_handler && !ccol__watch_is_traced();
    if (wanted) code = ccol__altstack_ensure();
    if (wanted && !code) code = ccol__handler_install();
    if (wanted && !code) has_handler = true;
    if (!code) ccol__watch_greet(has_handler);
    pthread_mutex_unlock(&installing);
    return code ? fail(err, code, "cannot install the crash handler") : 0;
}

bool ccol_capture_is_watched(void)
{
    return ccol__watch_start();
}

int ccol_capture_thread(void)
{
    return ccol__watch_start() ? ccol__altstack_ensure() : 0;
}

int ccol_capture_annotate(const char *name, const char *value)
{
    struct notes *notes = ccol__watch_notes();
    return notes ? ccol__notes_annotate(notes, name, value) : 0;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void ccol_capture_breadcrumb(ccol_level level, const char *category, const char *text)
{
    struct notes *notes = ccol__watch_notes();
    if (notes && text) ccol__notes_breadcrumb(notes, now_us(), (int)level, category, text, strlen(text));
}

void ccol_capture_log(ccol_level level, const char *text, size_t length)
{
    struct notes *notes = ccol__watch_notes();
    if (notes && text) ccol__notes_log(notes, now_us(), (int)level, text, length);
}

void ccol_capture_message(const char *text)
{
    struct notes *notes = ccol__watch_notes();
    const char *kept = ccol__handler_message(text);
    if (notes) ccol__notes_annotate(notes, NOTES_MESSAGE, kept); /* where no handler is needed */
}
