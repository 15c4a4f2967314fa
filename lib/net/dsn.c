/* SPDX-License-Identifier: MIT */
#include "net/dsn.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define DIGITS          "0123456789"
#define LETTERS         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NAME_CHARACTERS LETTERS DIGITS "-_"

static int refuse(ccol_error *err, const char *part)
{
    return ccol_fail(err, CCOL_EFORMAT, "not a DSN: %s; give https://KEY@HOST/PROJECT as Sentry shows it", part);
}

/* Whether text is made of nothing but these characters, at least one and fewer than size of them. */
static bool is_made_of(const char *text, size_t length, const char *characters, size_t size)
{
    return length > 0 && length < size && strspn(text, characters) >= length;
}

static void copy(char *out, const char *text, size_t length)
{
    memcpy(out, text, length);
    out[length] = '\0';
}

static bool is_port(const char *text, size_t length)
{
    unsigned port = 0;
    if (!is_made_of(text, length, DIGITS, 6)) return false;
    for (size_t i = 0; i < length; i++)
        port = port * 10 + (unsigned)(text[i] - '0');
    return port > 0 && port <= 65535;
}

/* HOST[:PORT], the host a name, an IPv4 address or an IPv6 one in brackets. */
static bool is_authority(const char *text, size_t length)
{
    size_t host;
    if (length > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', length);
        if (!end || !is_made_of(text + 1, (size_t)(end - text) - 1, DIGITS "abcdefABCDEF:.", 46)) return false;
        host = (size_t)(end - text) + 1;
    } else {
        const char *colon = memchr(text, ':', length);
        host = colon ? (size_t)(colon - text) : length;
        if (!is_made_of(text, host, NAME_CHARACTERS ".", 254)) return false;
    }
    return host == length || (text[host] == ':' && is_port(text + host + 1, length - host - 1));
}

/* What stands before the "@". */
static int parse_key(struct dsn *out, const char *text, size_t length, ccol_error *err)
{
    const char *colon = memchr(text, ':', length);
    size_t key = colon ? (size_t)(colon - text) : length;
    if (!is_made_of(text, key, NAME_CHARACTERS, sizeof out->key)) return refuse(err, "there is no public key before @");
    copy(out->key, text, key);
    return 0;
}

/* HOST[:PORT][/PATH]/PROJECT; `scheme` is the length of what stands in out->base already. */
static int parse_place(struct dsn *out, size_t scheme, const char *text, ccol_error *err)
{
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '/')
        length--;
    size_t authority = strcspn(text, "/");
    if (authority > length) authority = length;
    if (!is_authority(text, authority)) return refuse(err, "the host or its port is wrong");
    size_t project = length;
    while (project > authority && text[project - 1] != '/')
        project--;
    if (project == authority || !is_made_of(text + project, length - project, NAME_CHARACTERS, sizeof out->project))
        return refuse(err, "there is no project after the last slash");
    copy(out->project, text + project, length - project);
    size_t base = project - 1;
    while (base > authority && text[base - 1] == '/')
        base--;
    if (strspn(text + authority, NAME_CHARACTERS "./~") < base - authority)
        return refuse(err, "the path holds a character that none has");
    if (scheme + base >= sizeof out->base) return refuse(err, "the address is too long");
    copy(out->base + scheme, text, base);
    return 0;
}

int ccol__dsn_parse(struct dsn *out, const char *text, ccol_error *err)
{
    static const char *const schemes[] = {"https://", "http://"};
    memset(out, 0, sizeof *out);
    size_t scheme = 0;
    for (size_t i = 0; i < 2 && !scheme; i++) {
        if (!ccol__text_starts_nocase(text, strlen(text), schemes[i])) continue;
        scheme = strlen(schemes[i]);
        copy(out->base, schemes[i], scheme);
    }
    if (!scheme) return refuse(err, "it begins with neither https:// nor http://");
    const char *user = text + scheme, *at = strchr(user, '@');
    if (!at || at > user + strcspn(user, "/")) return refuse(err, "there is no @ between key and host");
    int code = parse_key(out, user, (size_t)(at - user), err);
    return code ? code : parse_place(out, scheme, at + 1, err);
}

const char *ccol__dsn_url(char out[DSN_URL_SIZE], const struct dsn *dsn, const char *endpoint)
{
    snprintf(out, DSN_URL_SIZE, "%s/api/%s/%.32s/", dsn->base, dsn->project, endpoint);
    return out;
}
