/* SPDX-License-Identifier: MIT */
#include "monitor/symbol_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MOST   1024
#define HASH_LENGTH 17 /* "h" and 16 hex digits, at the end of older Rust names */
#define IS_DIGIT(c) ((c) >= '0' && (c) <= '9')

struct escape {
    const char *code, *text;
};

/* How older Rust writes what an identifier cannot hold. */
static const struct escape escapes[] = {{"$LT$", "<"},  {"$GT$", ">"},  {"$RF$", "&"},  {"$BP$", "*"},
                                        {"$LP$", "("},  {"$RP$", ")"},  {"$C$", ","},   {"$SP$", "@"},
                                        {"$u20$", " "}, {"$u7b$", "{"}, {"$u7d$", "}"}, {"$u27$", "'"},
                                        {"$u5b$", "["}, {"$u5d$", "]"}, {"..", "::"},   {"$u3b$", ";"}};

static void append(char *out, size_t *length, const char *text, size_t bytes)
{
    if (bytes > NAME_MOST - 1 - *length) bytes = NAME_MOST - 1 - *length;
    memcpy(out + *length, text, bytes);
    *length += bytes;
}

static void append_identifier(char *out, size_t *length, const char *text, size_t bytes)
{
    const char *end = text + bytes;
    if (bytes > 2 && memcmp(text, "_$", 2) == 0) text++;
    while (text < end) {
        const struct escape *found = NULL;
        for (size_t i = 0; i < sizeof escapes / sizeof escapes[0] && !found; i++) {
            size_t code = strlen(escapes[i].code);
            if ((size_t)(end - text) >= code && memcmp(text, escapes[i].code, code) == 0) found = &escapes[i];
        }
        append(out, length, found ? found->text : text, found ? strlen(found->text) : 1);
        text += found ? strlen(found->code) : 1;
    }
}

static bool is_hash(const char *text, size_t bytes)
{
    return bytes == HASH_LENGTH && *text == 'h' && strspn(text + 1, "0123456789abcdef") >= HASH_LENGTH - 1;
}

/* Identifiers with their lengths before them, as many as there are; "St" is short for std. Returns what comes after,
 * NULL if there is none. */
static const char *identifiers(char *out, size_t *length, const char *at)
{
    unsigned count = 0;
    if (strncmp(at, "St", 2) == 0) {
        append(out, length, "std", 3);
        count++;
        at += 2;
    }
    while (IS_DIGIT(*at)) {
        char *text;
        unsigned long bytes = strtoul(at, &text, 10);
        if (bytes == 0 || bytes > strlen(text)) return NULL;
        at = text + bytes;
        if (count > 0 && *at == 'E' && is_hash(text, bytes)) return at;
        if (count++) append(out, length, "::", 2);
        append_identifier(out, length, text, bytes);
    }
    return count ? at : NULL;
}

const char *ccol__symbol_name(struct arena *arena, const char *name)
{
    char out[NAME_MOST];
    size_t length = 0;
    const char *at = name;
    if (strncmp(at, "_Z", 2) != 0) return name;
    at += 2;
    bool nested = *at == 'N';
    if (nested) at += at[1] == 'K' ? 2 : 1; /* a const method */
    at = identifiers(out, &length, at);
    if (!at || (nested && *at != 'E') || strchr(at, 'I')) return name; /* templates are more than this reads */
    char *copy = ccol__arena_copy(arena, out, length);
    return copy ? copy : name;
}
