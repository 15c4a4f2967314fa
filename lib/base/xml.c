/* SPDX-License-Identifier: MIT */
#include "base/xml.h"

#include <stdint.h>
#include <string.h>

#define ESCAPE_MAX 12 /* "&#x0010FFFF;" */

static const char *find(const char *at, const char *end, const char *what)
{
    return memmem(at, (size_t)(end - at), what, strlen(what));
}

static bool starts(const char *at, const char *end, const char *what)
{
    size_t length = strlen(what);
    return (size_t)(end - at) >= length && memcmp(at, what, length) == 0;
}

/* Behind what begins at a '<' and is no element; NULL: it has no end, or may not be there. */
static const char *skip_other(const char *at, const char *end)
{
    const char *close;
    if (starts(at, end, "<!--")) {
        close = find(at + 4, end, "-->");
        return close ? close + 3 : NULL;
    }
    if (starts(at, end, "<?")) {
        close = find(at + 2, end, "?>");
        return close ? close + 2 : NULL;
    }
    return NULL;
}

static size_t name_length(const char *at, const char *end)
{
    size_t length = 0;
    while (at + length < end && !memchr(" \t\r\n/>", at[length], 6))
        length++;
    return length;
}

/* The '>' of a tag, with '>' in quoted attributes passed over. */
static const char *tag_end(const char *at, const char *end)
{
    for (char quote = 0; at < end; at++) {
        if (quote)
            quote = *at == quote ? 0 : quote;
        else if (*at == '"' || *at == '\'')
            quote = *at;
        else if (*at == '>')
            return at;
    }
    return NULL;
}

bool ccol__xml_next(struct xml *xml, struct xml_leaf *out)
{
    struct xml_leaf open = {0}; /* the last start tag, while nothing but text has come after it */
    for (;;) {
        const char *tag = memchr(xml->at, '<', (size_t)(xml->end - xml->at));
        if (!tag) break;
        if (starts(tag, xml->end, "<?") || starts(tag, xml->end, "<!")) {
            xml->at = skip_other(tag, xml->end);
            if (!xml->at) break;
            open.name = NULL;
            continue;
        }
        const char *close = tag_end(tag, xml->end);
        if (!close) break;
        xml->at = close + 1;
        bool ends = tag[1] == '/';
        const char *name = tag + (ends ? 2 : 1);
        size_t length = name_length(name, close);
        if (ends) {
            bool leaf = open.name && open.name_length == length && memcmp(open.name, name, length) == 0;
            open.text_length = leaf ? (size_t)(tag - open.text) : 0;
            *out = open;
            open.name = NULL;
            if (leaf) return true;
        } else {
            open = (struct xml_leaf){.name = name, .name_length = length, .text = close + 1};
            *out = open;
            if (close[-1] == '/') return true;
        }
    }
    xml->at = xml->end;
    return false;
}

bool ccol__xml_is(const struct xml_leaf *leaf, const char *name)
{
    return strlen(name) == leaf->name_length && memcmp(name, leaf->name, leaf->name_length) == 0;
}

static void append_utf8(struct buffer *out, uint32_t code)
{
    char bytes[4];
    size_t length = 1;
    if (code < 0x80) {
        bytes[0] = (char)code;
    } else if (code < 0x800) {
        bytes[0] = (char)(0xc0 | code >> 6);
        length = 2;
    } else if (code < 0x10000) {
        bytes[0] = (char)(0xe0 | code >> 12);
        length = 3;
    } else {
        bytes[0] = (char)(0xf0 | code >> 18);
        length = 4;
    }
    for (size_t i = 1; i < length; i++)
        bytes[i] = (char)(0x80 | ((code >> 6 * (length - 1 - i)) & 0x3f));
    ccol__buffer_append(out, bytes, length);
}

static uint32_t digit_of(char byte, uint32_t base)
{
    uint32_t digit = UINT32_MAX;
    if (byte >= '0' && byte <= '9') digit = (uint32_t)(byte - '0');
    if (byte >= 'a' && byte <= 'f') digit = (uint32_t)(byte - 'a') + 10;
    if (byte >= 'A' && byte <= 'F') digit = (uint32_t)(byte - 'A') + 10;
    return digit < base ? digit : UINT32_MAX;
}

/* The code point of "&#65;" or "&#x41;" between '#' and ';'; 0: none. */
static uint32_t code_point(const char *text, size_t length)
{
    bool hex = length && text[0] == 'x';
    uint32_t code = 0;
    for (size_t i = hex ? 1 : 0; i < length; i++) {
        uint32_t digit = digit_of(text[i], hex ? 16 : 10);
        if (digit == UINT32_MAX) return 0;
        code = code * (hex ? 16 : 10) + digit;
        if (code > 0x10ffff) return 0;
    }
    return code >= 0xd800 && code < 0xe000 ? 0 : code;
}

/* Resolves what begins at '&'; the bytes it takes, 0: it is no escape. */
static size_t append_escape(struct buffer *out, const char *text, size_t length)
{
    static const struct {
        const char *escape;
        char byte;
    } known[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!starts(text, text + length, known[i].escape)) continue;
        ccol__buffer_append(out, &known[i].byte, 1);
        return strlen(known[i].escape);
    }
    size_t most = length < ESCAPE_MAX ? length : ESCAPE_MAX;
    const char *end = memchr(text, ';', most);
    uint32_t code = end && text[1] == '#' ? code_point(text + 2, (size_t)(end - text) - 2) : 0;
    if (!code) return 0;
    append_utf8(out, code);
    return (size_t)(end - text) + 1;
}

void ccol__xml_text(struct buffer *out, const struct xml_leaf *leaf)
{
    const char *at = leaf->text, *end = at + leaf->text_length;
    while (at < end) {
        const char *amp = memchr(at, '&', (size_t)(end - at));
        size_t span = amp ? (size_t)(amp - at) : (size_t)(end - at);
        ccol__buffer_append(out, at, span);
        at += span;
        if (at == end) break;
        size_t used = append_escape(out, at, (size_t)(end - at));
        if (!used) ccol__buffer_append(out, at, 1);
        at += used ? used : 1;
    }
}

bool ccol__xml_find(struct buffer *out, const char *document, size_t length, const char *name)
{
    struct xml xml = {document, document + length};
    struct xml_leaf leaf;
    while (document && ccol__xml_next(&xml, &leaf)) {
        if (!ccol__xml_is(&leaf, name)) continue;
        ccol__xml_text(out, &leaf);
        return true;
    }
    return false;
}
