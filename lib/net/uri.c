/* SPDX-License-Identifier: MIT */
#include "net/uri.h"

#include <string.h>

#include "base/text.h"

static bool is_unreserved(unsigned char byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
           byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

void ccol__uri_encode(struct buffer *out, const char *text, size_t length, bool keep_slashes)
{
    static const char digits[] = "0123456789ABCDEF";
    char *room = ccol__buffer_reserve(out, length * 3);
    if (!room) return;
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (is_unreserved(byte) || (keep_slashes && byte == '/')) {
            room[used++] = (char)byte;
        } else {
            room[used++] = '%';
            room[used++] = digits[byte >> 4];
            room[used++] = digits[byte & 15];
        }
    }
    room[used] = '\0';
    out->length += used;
}

static size_t without_own_port(const struct uri *uri)
{
    const char *port = ccol__text_equal_nocase(uri->scheme, uri->scheme_length, "https") ? ":443" : ":80";
    size_t length = uri->host_length, port_length = strlen(port);
    bool own = length > port_length && memcmp(uri->host + length - port_length, port, port_length) == 0;
    return own ? length - port_length : length;
}

bool ccol__uri_split(const char *url, struct uri *out)
{
    const char *colon = strstr(url, "://");
    if (!colon || colon == url) return false;
    *out = (struct uri){.scheme = url, .scheme_length = (size_t)(colon - url), .host = colon + 3};
    out->host_length = strcspn(out->host, "/?#");
    if (!out->host_length) return false;
    out->path = out->host + out->host_length;
    out->path_length = strcspn(out->path, "?#");
    out->query = out->path + out->path_length;
    if (*out->query == '?') out->query++;
    out->query_length = strcspn(out->query, "#");
    out->host_length = without_own_port(out);
    return true;
}
