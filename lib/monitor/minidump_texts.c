/* SPDX-License-Identifier: MIT */
/* The streams of a minidump that are text. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/json.h"
#include "monitor/minidump_private.h"

#define CRASHPAD_VERSION 1
#define GUID_BYTES       16
#define WARNINGS_BYTES   ((size_t)64 << 10)

void ccol__minidump_warn(struct minidump_writer *writer, const char *format, ...)
{
    va_list args;
    if (writer->warning_count == WARNINGS_MOST) return;
    va_start(args, format);
    if (vasprintf(&writer->warnings[writer->warning_count], format, args) >= 0) writer->warning_count++;
    va_end(args);
}

void ccol__minidump_add_stream(struct minidump_writer *writer, enum minidump_stream type, struct location at)
{
    writer->streams[writer->stream_count].type = type;
    writer->streams[writer->stream_count++].at = at;
}

struct location ccol__minidump_since(const struct minidump_writer *writer, uint32_t start)
{
    return (struct location){(uint32_t)writer->out->length - start, start};
}

/* Whole lines of a text, as many as there is room for. */
static void put_text(struct minidump_writer *writer, enum minidump_stream type, const char *text, size_t length,
                     const char *what)
{
    size_t left =
        writer->out->length < writer->options.bytes_most ? writer->options.bytes_most - writer->out->length : 0;
    size_t most = left / 2;
    if (length == 0) return;
    if (length > most) {
        const char *end = most ? memrchr(text, '\n', most) : NULL;
        ccol__minidump_warn(writer, "%s: cut to %zu of %zu bytes", what, end ? (size_t)(end + 1 - text) : 0, length);
        length = end ? (size_t)(end + 1 - text) : 0;
    }
    if (length) ccol__minidump_add_stream(writer, type, ccol__minidump_put_bytes(writer->out, text, length));
}

static void put_release(struct minidump_writer *writer)
{
    const struct host *host = writer->input->host;
    char text[512];
    if (!host->pretty[0]) return;
    int length = snprintf(text, sizeof text,
                          "DISTRIB_ID=%s\nDISTRIB_RELEASE=%s\nDISTRIB_CODENAME=%s\nDISTRIB_DESCRIPTION=\"%s\"\n",
                          host->distribution, host->distribution_version, host->codename, host->pretty);
    put_text(writer, STREAM_LSB_RELEASE, text, (size_t)length, "lsb-release");
}

void ccol__minidump_put_texts(struct minidump_writer *writer)
{
    const struct victim *victim = writer->victim;
    const struct buffer *cpu = &writer->input->host->cpu_info;
    put_text(writer, STREAM_CPU_INFO, cpu->data, cpu->length, "cpuinfo");
    put_release(writer);
    put_text(writer, STREAM_STATUS, victim->status.data, victim->status.length, "status");
    put_text(writer, STREAM_LIMITS, victim->limits.data, victim->limits.length, "limits");
    put_text(writer, STREAM_MAPS, victim->maps.data, victim->maps.length, "maps");
}

/* The dictionary that Crashpad's clients write; its readers show it as annotations. */
void ccol__minidump_put_annotations(struct minidump_writer *writer)
{
    size_t count = writer->input->annotation_count;
    auto_free uint32_t *places = calloc(2 * count + 1, sizeof *places);
    if (!places) {
        writer->out->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        places[2 * i] = ccol__minidump_put_utf8(writer->out, writer->input->annotations[i].name);
        places[2 * i + 1] = ccol__minidump_put_utf8(writer->out, writer->input->annotations[i].value);
    }
    ccol__minidump_align(writer->out);
    uint32_t start = (uint32_t)writer->out->length;
    ccol__minidump_put_u32(writer->out, (uint32_t)count);
    for (size_t i = 0; i < 2 * count; i++)
        ccol__minidump_put_u32(writer->out, places[i]);
    struct location dictionary = ccol__minidump_since(writer, start);
    ccol__minidump_align(writer->out);
    start = (uint32_t)writer->out->length;
    ccol__minidump_put_u32(writer->out, CRASHPAD_VERSION);
    ccol__minidump_put_zeros(writer->out, 2 * (size_t)GUID_BYTES);
    ccol__minidump_put_location(writer->out, dictionary);
    ccol__minidump_put_zeros(writer->out, 8); /* no lists of the modules' own */
    ccol__minidump_add_stream(writer, STREAM_CRASHPAD, ccol__minidump_since(writer, start));
}

void ccol__minidump_put_soft_errors(struct minidump_writer *writer)
{
    struct buffer text;
    size_t given = writer->input->warning_count;
    if (given + writer->warning_count == 0) return;
    ccol__buffer_init(&text, WARNINGS_BYTES, NULL);
    ccol__buffer_text(&text, "[");
    for (size_t i = 0; i < given + writer->warning_count; i++) {
        const char *warning = i < given ? writer->input->warnings[i] : writer->warnings[i - given];
        if (i) ccol__buffer_text(&text, ", ");
        ccol__json_write_string(&text, warning, strlen(warning));
    }
    ccol__buffer_text(&text, "]");
    if (!text.failed)
        ccol__minidump_add_stream(writer, STREAM_SOFT_ERRORS,
                                  ccol__minidump_put_bytes(writer->out, text.data, text.length));
    ccol__buffer_fini(&text);
}
