/* SPDX-License-Identifier: MIT */
#include "storage/sentry_forward.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_build.h"
#include "net/sentry_client.h"
#include "report/envelope.h"
#include "report/report.h"

bool ccol__sentry_forward_is(const ccol_report *report)
{
    ccol_file file;
    return ccol__report_find_file(report, ENVELOPE_FILE, &file);
}

static unsigned category_of(const char *type)
{
    static const struct {
        const char *type;
        unsigned category;
    } known[] = {{"event", CATEGORY_ERROR},     {"attachment", CATEGORY_ATTACHMENT},
                 {"session", CATEGORY_SESSION}, {"sessions", CATEGORY_SESSION},
                 {"log", CATEGORY_LOG},         {"client_report", CATEGORY_INTERNAL}};
    for (size_t i = 0; type && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(type, known[i].type) == 0) return known[i].category;
    return CATEGORY_OTHER;
}

struct looking {
    unsigned categories;
};

static int see_item(void *user, const struct envelope_item_header *item)
{
    struct looking *looking = user;
    looking->categories |= category_of(ccol__json_text(item->json, "type"));
    return 0;
}

/* The report may come from any client, so what it calls an envelope is looked at before it goes anywhere. */
static int look(struct looking *looking, const ccol_file *file, ccol_error *err)
{
    static const struct envelope_events events = {.item_begin = see_item};
    struct envelope_parser *parser;
    *looking = (struct looking){0};
    int code = ccol__envelope_parser_new(&parser, &events, looking);
    if (!code) code = ccol__envelope_parser_feed(parser, file->data, file->length);
    if (!code) code = ccol__envelope_parser_finish(parser);
    if (code == CCOL_EFORMAT) ccol_fail(err, code, "not an envelope: %s", ccol__envelope_parser_reason(parser));
    if (code && code != CCOL_EFORMAT) ccol_fail(err, code, "cannot look at the envelope");
    ccol__envelope_parser_free(parser);
    return code;
}

/* The header line as it was, but for the time and the key, which is another there: the one that let it in here is not
 * for the next hop to know. */
static int begin(struct envelope *envelope, const char *line, size_t length, const char *key, ccol_error *err)
{
    static const struct json_limits limits = {.depth = 64, .number_length = 64};
    struct arena arena;
    struct json *header;
    char now[CCOL_RFC3339_SIZE];
    ccol__arena_init(&arena, NULL);
    struct json_builder builder = {.arena = &arena};
    int code = ccol__json_parse(&arena, line, length, &limits, &header, err);
    if (!code) {
        struct json *changed = ccol__json_new(&builder, JSON_OBJECT);
        ccol__json_put_text(&builder, changed, "sent_at", ccol__clock_rfc3339(now, ccol__clock_now_us()));
        if (ccol__json_text(ccol__json_object(header, "trace"), "public_key"))
            ccol__json_put_text(&builder, ccol__json_put_object(&builder, changed, "trace"), "public_key", key);
        ccol__json_merge(&builder, header, changed);
        for (struct json **at = &header->first; *at;) {
            bool drop = (*at)->key_length == 3 && memcmp((*at)->key, "dsn", 3) == 0;
            if (drop)
                *at = (*at)->next;
            else
                at = &(*at)->next;
        }
        ccol__envelope_init_with(envelope, header);
        if (builder.failed) envelope->failed = true;
    }
    ccol__arena_fini(&arena);
    return code;
}

int ccol__sentry_forward(struct sentry_client *client, const ccol_report *report, ccol_error *err)
{
    ccol_file file, dump;
    struct looking looking;
    struct envelope envelope;
    if (!ccol__report_find_file(report, ENVELOPE_FILE, &file)) return ccol_fail(err, -ENOENT, "there is no envelope");
    int code = look(&looking, &file, err);
    if (code) return code;
    const char *text = file.data, *end = memchr(text, '\n', file.length);
    size_t header = end ? (size_t)(end - text) : file.length;
    code = begin(&envelope, text, header, ccol__sentry_client_key(client), err);
    if (code) return code;
    if (end) ccol__envelope_add_raw(&envelope, end + 1, file.length - header - 1);
    if (ccol__report_find_file(report, ENVELOPE_DUMP_FILE, &dump)) {
        const struct envelope_item item = {.type = "attachment",
                                           .filename = "minidump.dmp",
                                           .attachment_type = "event.minidump",
                                           .data = dump.data,
                                           .length = dump.length};
        ccol__envelope_add(&envelope, &item);
        looking.categories |= CATEGORY_ERROR | CATEGORY_ATTACHMENT;
    }
    code = ccol__sentry_client_send(client, &envelope, looking.categories, err);
    ccol__envelope_fini(&envelope);
    return code;
}
