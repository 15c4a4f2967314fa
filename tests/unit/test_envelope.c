/* SPDX-License-Identifier: MIT */
/* Envelopes, each by what is odd about it (case a15): in one piece and byte by byte the same comes of it. */
#include "check.h"

#include "base/json_build.h"
#include "report/envelope.h"

/* The events as text: "header|" then "{type:payload}" for each item. */
static struct buffer trace;

static int on_header(void *user, const char *line, size_t length, const struct json *json)
{
    (void)user;
    REQUIRE(json->type == JSON_OBJECT);
    ccol__buffer_append(&trace, line, length);
    ccol__buffer_text(&trace, "|");
    return 0;
}

static int on_item(void *user, const struct envelope_item_header *item)
{
    (void)user;
    ccol__buffer_format(&trace, "{%s:", ccol__json_text(item->json, "type"));
    return 0;
}

static int on_data(void *user, const char *data, size_t length)
{
    (void)user;
    REQUIRE(length > 0);
    ccol__buffer_append(&trace, data, length);
    return 0;
}

static int on_end(void *user)
{
    (void)user;
    ccol__buffer_text(&trace, "}");
    return 0;
}

static const struct envelope_events events = {on_header, on_item, on_data, on_end};

static int walk(const char *text, size_t length, size_t step, char *reason, size_t size)
{
    struct envelope_parser *parser;
    ccol__buffer_clear(&trace);
    ccol__buffer_text(&trace, "");
    REQUIRE(ccol__envelope_parser_new(&parser, &events, NULL) == 0);
    int code = 0;
    for (size_t at = 0; !code && at < length; at += step)
        code = ccol__envelope_parser_feed(parser, text + at, length - at < step ? length - at : step);
    if (!code) code = ccol__envelope_parser_finish(parser);
    snprintf(reason, size, "%s", ccol__envelope_parser_reason(parser));
    ccol__envelope_parser_free(parser);
    return code;
}

#define LONG  "an item is longer than its length says"
#define SHORT "an item is shorter than its length says"
#define COUNT "an item's length is no number of bytes"

static const struct {
    const char *name, *text, *events; /* NULL: refused for the reason */
    const char *reason;
} cases[] = {
    {"nothing", "", NULL, "it is empty"},
    {"an empty header", "{}", "{}|", ""},
    {"an empty header and a newline", "{}\n", "{}|", ""},
    {"newlines at the end", "{}\n\n\n\n", "{}|", ""},
    {"unknown keys", "{\"new\":[1]}\n{\"type\":\"event\",\"length\":1,\"x\":{}}\na\n", "{\"new\":[1]}|{event:a}", ""},
    {"an unknown type", "{}\n{\"type\":\"of_tomorrow\",\"length\":3}\na\nb\n", "{}|{of_tomorrow:a\nb}", ""},
    {"no length", "{}\n{\"type\":\"a\"}\nabc\n{\"type\":\"b\"}\nd", "{}|{a:abc}{b:d}", ""},
    {"no length and no payload", "{}\n{\"type\":\"a\"}\n", "{}|{a:}", ""},
    {"a null length", "{}\n{\"type\":\"a\",\"length\":null}\nabc", "{}|{a:abc}", ""},
    {"no newline at the end", "{}\n{\"type\":\"a\",\"length\":3}\nabc", "{}|{a:abc}", ""},
    {"no newline after a header", "{}\n{\"type\":\"a\",\"length\":0}", "{}|{a:}", ""},
    {"no newline between items", "{}\n{\"type\":\"a\",\"length\":3}\nabc{\"type\":\"b\"}\nd", NULL, LONG},
    {"an empty item", "{}\n{\"type\":\"a\",\"length\":0}\n\n{\"type\":\"b\",\"length\":1}\nc", "{}|{a:}{b:c}", ""},
    {"empty items without a length", "{}\n{\"type\":\"a\"}\n\n{\"type\":\"b\"}\n\n", "{}|{a:}{b:}", ""},
    {"carriage returns are payload", "{}\n{\"type\":\"a\"}\nb\r\n{\"type\":\"c\",\"length\":2}\nd\r\n",
     "{}|{a:b\r}{c:d\r}", ""},
    {"a length that is short", "{}\n{\"type\":\"a\",\"length\":2}\nabc\n", NULL, LONG},
    {"a length that is long", "{}\n{\"type\":\"a\",\"length\":9}\nabc\n", NULL, SHORT},
    {"a length of one more", "{}\n{\"type\":\"a\",\"length\":4}\nabc", NULL, SHORT},
    {"a length that takes the newline", "{}\n{\"type\":\"a\",\"length\":4}\nabc\n", "{}|{a:abc\n}", ""},
    {"a negative length", "{}\n{\"type\":\"a\",\"length\":-1}\nabc\n", NULL, COUNT},
    {"a huge length", "{}\n{\"type\":\"a\",\"length\":9223372036854775807}\nabc\n", NULL, SHORT},
    {"a length that no number holds", "{}\n{\"type\":\"a\",\"length\":18446744073709551616}\nabc\n", NULL, COUNT},
    {"a fraction", "{}\n{\"type\":\"a\",\"length\":3.5}\nabc\n", NULL, COUNT},
    {"a power of ten", "{}\n{\"type\":\"a\",\"length\":3e0}\nabc\n", NULL, COUNT},
    {"a length in quotes", "{}\n{\"type\":\"a\",\"length\":\"3\"}\nabc\n", NULL, COUNT},
    {"no type", "{}\n{\"length\":3}\nabc\n", NULL, "an item has no type"},
    {"an empty type", "{}\n{\"type\":\"\",\"length\":3}\nabc\n", NULL, "an item has no type"},
    {"a number as type", "{}\n{\"type\":1,\"length\":3}\nabc\n", NULL, "an item has no type"},
    {"a header that is no object", "[]\n", NULL, "a header line is no JSON object"},
    {"an item's header that is no object", "{}\n3\nabc\n", NULL, "a header line is no JSON object"},
    {"a header that is no JSON", "{]\n", NULL, "a header line is not JSON"},
    {"a header that is cut off", "{\"event_id\":", NULL, "a header line is not JSON"},
    {"a header over two lines", "{\"a\":\n1}\n", NULL, "a header line is not JSON"},
};

static void each_case(void)
{
    char reason[128];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step <= strlen(cases[i].text) + 1; step++) {
            int code = walk(cases[i].text, strlen(cases[i].text), step, reason, sizeof reason);
            bool as_told = strcmp(reason, cases[i].reason) == 0 &&
                           (cases[i].events ? !code && strcmp(trace.data, cases[i].events) == 0 : code == CCOL_EFORMAT);
            if (!as_told) fprintf(stderr, "%s, by %zu: %d %s %s\n", cases[i].name, step, code, reason, trace.data);
            CHECK(as_told);
        }
    }
}

static void a_header_line_has_a_ceiling(void)
{
    static char line[70000];
    char reason[128];
    memset(line, ' ', sizeof line);
    line[0] = '{';
    CHECK_INT(walk(line, sizeof line, 1000, reason, sizeof reason), CCOL_ETOOLARGE);
    CHECK_TEXT(reason, "a header line is too long");
}

static void items_have_a_ceiling(void)
{
    struct buffer text;
    char reason[128];
    ccol__buffer_init(&text, SIZE_MAX / 4, NULL);
    ccol__buffer_text(&text, "{}\n");
    for (int i = 0; i < 1000; i++)
        ccol__buffer_text(&text, "{\"type\":\"a\"}\n\n");
    CHECK_INT(walk(text.data, text.length, 4096, reason, sizeof reason), 0);
    ccol__buffer_text(&text, "{\"type\":\"a\"}\n\n");
    CHECK_INT(walk(text.data, text.length, 4096, reason, sizeof reason), CCOL_ETOOLARGE);
    CHECK_TEXT(reason, "there are too many items");
    ccol__buffer_fini(&text);
}

int main(void)
{
    ccol__buffer_init(&trace, SIZE_MAX / 4, NULL);
    RUN(each_case);
    RUN(a_header_line_has_a_ceiling);
    RUN(items_have_a_ceiling);
    ccol__buffer_fini(&trace);
    return check_done();
}
