/* SPDX-License-Identifier: MIT */
#include "monitor/line_splitter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define ESCAPE '\033'

struct line_splitter {
    line_fn on_line;
    void *user;
    uint64_t offset, begin; /* of the next byte, and of the line that is being collected */
    size_t length;          /* of raw */
    bool cut;
    char raw[LINE_MAX_BYTES];
    char clean[3 * LINE_MAX_BYTES + 1];
};

int ccol__line_splitter_new(struct line_splitter **out, line_fn on_line, void *user)
{
    struct line_splitter *splitter = *out = malloc(sizeof *splitter);
    if (!splitter) return -ENOMEM;
    splitter->on_line = on_line;
    splitter->user = user;
    splitter->offset = splitter->begin = 0;
    splitter->length = 0;
    splitter->cut = false;
    return 0;
}

void ccol__line_splitter_free(struct line_splitter *splitter)
{
    free(splitter);
}

/* Control sequences end with a byte of @..~; what may stand before it is 0..? and blank../. */
static size_t csi_length(const char *text, size_t length)
{
    size_t at = 2;
    while (at < length && text[at] >= ' ' && text[at] <= '?')
        at++;
    return at < length && text[at] >= '@' && text[at] <= '~' ? at + 1 : at;
}

/* Titles and links, up to BEL or ESC backslash; one without an end goes on to the end of the line. */
static size_t osc_length(const char *text, size_t length)
{
    for (size_t at = 2; at < length; at++) {
        if (text[at] == '\a') return at + 1;
        if (text[at] == ESCAPE && at + 1 < length && text[at + 1] == '\\') return at + 2;
    }
    return length;
}

/* Bytes of the escape sequence that text begins with. */
static size_t escape_length(const char *text, size_t length)
{
    if (length < 2) return 1;
    switch (text[1]) {
    case '[':
        return csi_length(text, length);
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_':
        return osc_length(text, length);
    case '(':
    case ')':
    case '*':
    case '+':
    case '#':
    case '%':
        return length < 3 ? length : 3;
    default:
        return 2;
    }
}

static bool is_dropped(char c)
{
    return ((unsigned char)c < ' ' && c != '\t') || c == 0x7F;
}

size_t ccol__line_clean(char *out, const char *text, size_t length)
{
    size_t kept = 0;
    char *raw = out + 2 * length; /* repairing writes at most three bytes for each that it reads */
    for (size_t at = 0; at < length;) {
        if (text[at] == ESCAPE) {
            at += escape_length(text + at, length - at);
        } else if (is_dropped(text[at])) {
            at++;
        } else {
            raw[kept++] = text[at++];
        }
    }
    size_t used = ccol__text_is_utf8(raw, kept) ? kept : 0;
    if (used || !kept) {
        memmove(out, raw, used);
    } else {
        memmove(out + 3 * length - kept, raw, kept);
        used = ccol__text_repair(out, out + 3 * length - kept, kept);
    }
    out[used] = '\0';
    return used;
}

static void hand_over(struct line_splitter *splitter, uint64_t end)
{
    struct log_text line = {.text = splitter->clean, .begin = splitter->begin, .end = end, .cut = splitter->cut};
    line.length = ccol__line_clean(splitter->clean, splitter->raw, splitter->length);
    splitter->begin = end;
    splitter->length = 0;
    splitter->cut = false;
    splitter->on_line(splitter->user, &line);
}

static void collect(struct line_splitter *splitter, const char *data, size_t length)
{
    size_t room = LINE_MAX_BYTES - splitter->length;
    if (length > room) splitter->cut = true;
    if (length < room) room = length;
    memcpy(splitter->raw + splitter->length, data, room);
    splitter->length += room;
}

void ccol__line_splitter_feed(struct line_splitter *splitter, const char *data, size_t length)
{
    while (length) {
        const char *newline = memchr(data, '\n', length);
        size_t piece = newline ? (size_t)(newline - data) : length;
        collect(splitter, data, piece);
        if (newline) piece++;
        splitter->offset += piece;
        if (newline) hand_over(splitter, splitter->offset);
        data += piece;
        length -= piece;
    }
}

void ccol__line_splitter_end(struct line_splitter *splitter)
{
    if (ccol__line_splitter_is_inside(splitter)) hand_over(splitter, splitter->offset);
}

bool ccol__line_splitter_is_inside(const struct line_splitter *splitter)
{
    return splitter->begin < splitter->offset;
}
