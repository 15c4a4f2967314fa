/* SPDX-License-Identifier: MIT */
#include "http/framing.h"

#include <microhttpd.h>
#include <string.h>

#include "base/text.h"

struct reading {
    struct framing *framing;
    const char *problem;
    unsigned lengths, encodings, hosts;
    bool chunked;
};

/* RFC 9110 "token". libmicrohttpd 0.9.75 hands over "Content-Length " with its blank, and appends the text of a folded
 * line to the *name* of its field; the characters of both betray them. */
static bool is_token(const char *name, size_t length)
{
    static const char other[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (c == '\0' || !strchr(other, c))) return false;
    }
    return length > 0;
}

/* "Transfer-Encodingchunked" is what a folded `Transfer-Encoding:` line becomes. */
static bool is_disguised(const char *name, size_t length, const char *real)
{
    return length > strlen(real) && ccol__text_starts_nocase(name, length, real);
}

static const char *read_length(struct reading *reading, const char *value, size_t length)
{
    int64_t number = 0;
    if (reading->lengths++ > 0) return "Content-Length is given twice";
    if (length == 0) return "Content-Length is empty";
    for (size_t i = 0; i < length; i++) {
        if (value[i] < '0' || value[i] > '9') return "Content-Length is not a plain number";
        if (number > (INT64_MAX - 9) / 10)
            number = INT64_MAX; /* stays there: larger than any limit */
        else
            number = number * 10 + (value[i] - '0');
    }
    reading->framing->content_length = number;
    return NULL;
}

static const char *read_encoding(struct reading *reading, const char *value, size_t length)
{
    if (reading->encodings++ > 0) return "Transfer-Encoding is given twice";
    if (!ccol__text_equal_nocase(value, length, "chunked"))
        return "the only Transfer-Encoding understood here is chunked";
    reading->chunked = true;
    return NULL;
}

static void keep_first(const char **slot, const char *value)
{
    if (!*slot) *slot = value;
}

static const char *read_field(struct reading *reading, const char *name, size_t name_length, const char *value,
                              size_t length)
{
    struct framing *framing = reading->framing;
    if (!is_token(name, name_length)) return "a header's name holds a blank or another character that no name may have";
    if (memchr(value, '\r', length)) return "a header's value holds a carriage return";
    if (ccol__text_equal_nocase(name, name_length, "Content-Length")) return read_length(reading, value, length);
    if (ccol__text_equal_nocase(name, name_length, "Transfer-Encoding")) return read_encoding(reading, value, length);
    if (is_disguised(name, name_length, "Content-Length") || is_disguised(name, name_length, "Transfer-Encoding"))
        return "Content-Length or Transfer-Encoding is folded or misspelt";
    if (ccol__text_equal_nocase(name, name_length, "Host"))
        reading->hosts++;
    else if (ccol__text_equal_nocase(name, name_length, "Content-Type"))
        keep_first(&framing->content_type, value);
    else if (ccol__text_equal_nocase(name, name_length, "Content-Encoding"))
        keep_first(&framing->content_encoding, value);
    else if (ccol__text_equal_nocase(name, name_length, "User-Agent"))
        keep_first(&framing->user_agent, value);
    else if (ccol__text_equal_nocase(name, name_length, "Authorization"))
        keep_first(&framing->authorization, value);
    else if (ccol__text_equal_nocase(name, name_length, "X-Sentry-Auth"))
        keep_first(&framing->sentry_auth, value);
    else if (ccol__text_equal_nocase(name, name_length, "Expect"))
        framing->expects_continue = ccol__text_equal_nocase(value, length, "100-continue");
    return NULL;
}

static enum MHD_Result each_field(void *user, enum MHD_ValueKind kind, const char *name, size_t name_length,
                                  const char *value, size_t length)
{
    struct reading *reading = user;
    (void)kind;
    reading->problem = read_field(reading, name, name_length, value ? value : "", value ? length : 0);
    return reading->problem ? MHD_NO : MHD_YES;
}

const char *ccol__framing_read(struct MHD_Connection *connection, const char *version, struct framing *out)
{
    struct reading reading = {.framing = out};
    bool old = strcmp(version, "HTTP/1.0") == 0;
    memset(out, 0, sizeof(*out));
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, each_field, &reading);
    if (reading.problem) return reading.problem;
    if (reading.chunked && reading.lengths > 0) return "Content-Length and Transfer-Encoding are given together";
    out->last = reading.chunked && old; /* Crashpad's handler does so; RFC 9112, 6.1, has it processed, then closed */
    if (reading.hosts > 1) return "Host is given twice";
    if (reading.hosts == 0 && !old) return "Host is missing";
    if (reading.chunked) out->content_length = -1;
    out->expects_continue = out->expects_continue && !old;
    return NULL;
}

struct listing {
    ccol_header *out;
    size_t count;
};

static enum MHD_Result list_field(void *user, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct listing *listing = user;
    (void)kind;
    if (listing->count == FRAMING_HEADERS_MAX) return MHD_NO;
    listing->out[listing->count++] = (ccol_header){name, value ? value : ""};
    return MHD_YES;
}

size_t ccol__framing_headers(struct MHD_Connection *connection, ccol_header out[FRAMING_HEADERS_MAX])
{
    struct listing listing = {.out = out};
    MHD_get_connection_values(connection, MHD_HEADER_KIND, list_field, &listing);
    return listing.count;
}
