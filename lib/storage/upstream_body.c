/* SPDX-License-Identifier: MIT */
#include "storage/upstream_body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/gzip_write.h"
#include "base/hash.h"
#include "base/random.h"

#define BOUNDARY_BYTES 16
#define TEXT_MAX       (SIZE_MAX / 4)

/* What the next collector adds itself, and would take for the client's. */
static bool is_added_by_collectors(const ccol_annotation *annotation)
{
    static const char *const names[] = {"metadata", "submitted_timestamp", "uuid", "version"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(annotation->name, names[i]) == 0 && annotation->name_length == strlen(names[i])) return true;
    }
    return false;
}

static void write_member(struct buffer *out, const ccol_annotation *annotation)
{
    ccol__json_write_string(out, annotation->name, annotation->name_length);
    ccol__buffer_text(out, ": ");
    if (annotation->is_json)
        ccol__buffer_append(out, annotation->value, annotation->value_length);
    else
        ccol__json_write_string(out, annotation->value, annotation->value_length);
}

static void write_annotations(struct buffer *out, const ccol_report *report, bool with_id)
{
    const char *separator = "";
    ccol_annotation annotation = {.size = sizeof annotation};
    ccol__buffer_text(out, "{");
    for (size_t i = 0; ccol_report_annotation_at(report, i, &annotation); i++) {
        if (is_added_by_collectors(&annotation)) continue;
        ccol__buffer_text(out, separator);
        write_member(out, &annotation);
        separator = ", ";
    }
    if (with_id) ccol__buffer_format(out, "%s\"uuid\": \"%s\"", separator, ccol_report_id(report));
    ccol__buffer_text(out, "}");
}

/* The text before the index-th file, or before the end; where it begins and how long it is. */
struct stretch {
    size_t at, length;
};

static struct stretch write_file_head(struct buffer *out, const char *boundary, const char *name)
{
    size_t at = out->length;
    ccol__buffer_format(out,
                        "\r\n--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\n"
                        "Content-Type: application/octet-stream\r\n\r\n",
                        boundary, name, name);
    return (struct stretch){at, out->length - at};
}

/* All the text first, as it may move while it grows; then the pieces point into it. */
static int write_body(struct upstream_body *body, const ccol_report *report, const char *boundary, bool with_id)
{
    struct buffer *text = &body->text;
    ccol_file file = {.size = sizeof file};
    size_t files = 0;
    while (ccol_report_file_at(report, files, &file))
        files++;
    struct stretch *heads = calloc(files + 1, sizeof *heads);
    body->pieces = calloc(2 * files + 2, sizeof *body->pieces);
    if (!heads || !body->pieces) {
        free(heads);
        return -ENOMEM;
    }
    ccol__buffer_format(text,
                        "--%s\r\nContent-Disposition: form-data; name=\"extra\"; filename=\"extra.json\"\r\n"
                        "Content-Type: application/json\r\n\r\n",
                        boundary);
    write_annotations(text, report, with_id);
    size_t first = text->length;
    for (size_t i = 0; ccol_report_file_at(report, i, &file); i++)
        heads[i] = write_file_head(text, boundary, file.name);
    size_t end = text->length;
    ccol__buffer_format(text, "\r\n--%s--\r\n", boundary);

    struct http_piece *piece = body->pieces;
    *piece++ = (struct http_piece){text->data, first};
    for (size_t i = 0; !text->failed && ccol_report_file_at(report, i, &file); i++) {
        *piece++ = (struct http_piece){text->data + heads[i].at, heads[i].length};
        *piece++ = (struct http_piece){file.data, file.length};
    }
    *piece++ = (struct http_piece){text->failed ? NULL : text->data + end, text->length - end};
    body->piece_count = (size_t)(piece - body->pieces);
    free(heads);
    return text->failed ? -ENOMEM : 0;
}

int ccol__upstream_body_init(struct upstream_body *body, const ccol_report *report, bool with_id)
{
    uint8_t random[BOUNDARY_BYTES];
    char boundary[2 * BOUNDARY_BYTES + 1];
    *body = (struct upstream_body){0};
    ccol__buffer_init(&body->text, TEXT_MAX, NULL);
    if (!ccol__random_bytes(random, sizeof random)) return -EIO;
    ccol__hex(boundary, random, sizeof random);
    snprintf(body->content_type, sizeof body->content_type, "multipart/form-data; boundary=%s", boundary);
    return write_body(body, report, boundary, with_id);
}

int ccol__upstream_body_compress(struct upstream_body *body)
{
    struct buffer out;
    ccol__buffer_init(&out, TEXT_MAX, NULL);
    struct gzip_writer *writer = ccol__gzip_writer_new(&out);
    for (size_t i = 0; writer && i < body->piece_count; i++)
        ccol__gzip_write(writer, body->pieces[i].data, body->pieces[i].length); /* failure sticks */
    bool done = writer && ccol__gzip_writer_finish(writer);
    ccol__gzip_writer_free(writer);
    if (!done) {
        ccol__buffer_fini(&out);
        return -ENOMEM;
    }
    ccol__buffer_fini(&body->text);
    body->text = out;
    body->pieces[0] = (struct http_piece){body->text.data, body->text.length};
    body->piece_count = 1;
    return 0;
}

void ccol__upstream_body_fini(struct upstream_body *body)
{
    ccol__buffer_fini(&body->text);
    free(body->pieces);
}
