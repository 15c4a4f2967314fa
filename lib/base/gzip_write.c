/* SPDX-License-Identifier: MIT */
#include "base/gzip_write.h"

#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* of 32 KiB, in gzip's form */
#define LEVEL       3         /* dumps are mostly zeroes: higher levels cost much and gain little */
#define MEMORY      8
#define ROOM        ((size_t)64 << 10)

struct gzip_writer {
    z_stream stream;
    struct buffer *out;
};

struct gzip_writer *ccol__gzip_writer_new(struct buffer *out)
{
    struct gzip_writer *writer = calloc(1, sizeof *writer);
    if (!writer) return NULL;
    writer->out = out;
    if (deflateInit2(&writer->stream, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) == Z_OK)
        return writer;
    free(writer);
    return NULL;
}

/* Deflates what zlib was given, or with Z_FINISH all that is left. */
static bool run(struct gzip_writer *writer, int flush)
{
    z_stream *stream = &writer->stream;
    int result = Z_OK;
    do {
        char *room = ccol__buffer_reserve(writer->out, ROOM);
        if (!room) return false;
        stream->next_out = (unsigned char *)room;
        stream->avail_out = (unsigned)ROOM;
        result = deflate(stream, flush);
        writer->out->length += ROOM - stream->avail_out;
        writer->out->data[writer->out->length] = '\0';
    } while (result == Z_OK && (flush == Z_FINISH || stream->avail_in > 0));
    if (result == Z_OK || result == Z_STREAM_END || (result == Z_BUF_ERROR && flush == Z_NO_FLUSH)) return true;
    writer->out->failed = true;
    return false;
}

bool ccol__gzip_write(struct gzip_writer *writer, const void *data, size_t length)
{
    const unsigned char *at = data;
    while (length > 0) {
        unsigned taken = length > (1U << 30) ? 1U << 30 : (unsigned)length;
        writer->stream.next_in = (unsigned char *)(uintptr_t)at; /* only read */
        writer->stream.avail_in = taken;
        if (!run(writer, Z_NO_FLUSH)) return false;
        at += taken;
        length -= taken;
    }
    return !writer->out->failed;
}

bool ccol__gzip_writer_finish(struct gzip_writer *writer)
{
    return !writer->out->failed && run(writer, Z_FINISH);
}

void ccol__gzip_writer_free(struct gzip_writer *writer)
{
    if (!writer) return;
    deflateEnd(&writer->stream);
    free(writer);
}
