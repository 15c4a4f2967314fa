/* SPDX-License-Identifier: MIT */
/* A DSN that is taken gives addresses that need no further care, and reads the same when put together again. */
#include "net/dsn.h"

#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dsn dsn, again;
    char url[DSN_URL_SIZE], joined[DSN_URL_SIZE + DSN_KEY_SIZE];
    ccol_error err = {0};
    char *text = malloc(size + 1);
    if (!text) return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (ccol__dsn_parse(&dsn, text, &err) == 0) {
        const char *host = strstr(dsn.base, "://");
        PROPERTY(host && dsn.key[0] && dsn.project[0]);
        ccol__dsn_url(url, &dsn, "envelope");
        for (const char *at = url; *at; at++)
            PROPERTY(*at > ' ' && *at < 0x7f && *at != '@' && *at != '?' && *at != '#');
        snprintf(joined, sizeof joined, "%.*s%s@%s/%s", (int)(host + 3 - dsn.base), dsn.base, dsn.key, host + 3,
                 dsn.project);
        PROPERTY(ccol__dsn_parse(&again, joined, &err) == 0);
        PROPERTY(memcmp(&again, &dsn, sizeof dsn) == 0);
    }
    free(text);
    return 0;
}
