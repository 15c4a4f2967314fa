/* SPDX-License-Identifier: MIT */
/* Whatever stands before it, a secret on a line of its own goes; and line by line the same comes out as all at once. */
#include <string.h>

#include "fuzz.h"
#include "monitor/redact.h"

#define SECRET "Zq9xW7"

static void by_lines(const struct redactor *redactor, struct buffer *out, const char *text, size_t length)
{
    bool in_key = false;
    while (length) {
        const char *newline = memchr(text, '\n', length);
        size_t piece = newline ? (size_t)(newline - text) : length;
        PROPERTY(ccol__redact_line(redactor, out, text, piece, &in_key));
        if (newline && !in_key) PROPERTY(ccol__buffer_append(out, "\n", 1));
        text += piece + (newline != NULL);
        length -= piece + (newline != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char planted[] = "\npassword=" SECRET "\nhttps://joe:" SECRET "@host/\n";
    static const char *const patterns[] = {"c[0-9]+d", "^e*"};
    static const struct redact_options options = {.patterns = patterns, .pattern_count = 2};
    struct redactor *plain, *with_patterns;
    struct buffer text, out, lines;
    if (memmem(data, size, SECRET, strlen(SECRET))) return 0;
    ccol__buffer_init(&text, SIZE_MAX / 4, NULL);
    ccol__buffer_init(&out, SIZE_MAX / 4, NULL);
    ccol__buffer_init(&lines, SIZE_MAX / 4, NULL);
    PROPERTY(ccol__redactor_new(&plain, NULL, NULL) == 0 && ccol__redactor_new(&with_patterns, &options, NULL) == 0);
    PROPERTY(ccol__buffer_append(&text, data, size) && ccol__buffer_append(&text, planted, strlen(planted)));
    PROPERTY(ccol__redact_text(plain, &out, text.data, text.length));
    PROPERTY(!memmem(out.data, out.length, SECRET, strlen(SECRET)));
    by_lines(plain, &lines, text.data, text.length);
    PROPERTY(lines.length == out.length && memcmp(lines.data, out.data, out.length) == 0);
    ccol__buffer_clear(&out);
    PROPERTY(ccol__redact_text(with_patterns, &out, text.data, text.length));
    PROPERTY(ccol__redact_command(plain, &out, text.data, text.length));
    ccol__redactor_free(plain);
    ccol__redactor_free(with_patterns);
    ccol__buffer_fini(&text);
    ccol__buffer_fini(&out);
    ccol__buffer_fini(&lines);
    return 0;
}
