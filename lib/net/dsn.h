/* SPDX-License-Identifier: MIT */
/* Sentry's data source name: SCHEME://KEY[:SECRET]@HOST[:PORT][/PATH]/PROJECT. No I/O. */
#ifndef CCOL_NET_DSN_H
#define CCOL_NET_DSN_H

#include <crashcollect/error.h>

#define DSN_BASE_SIZE    1024
#define DSN_KEY_SIZE     129
#define DSN_PROJECT_SIZE 65
#define DSN_URL_SIZE     (DSN_BASE_SIZE + DSN_PROJECT_SIZE + 64)

struct dsn {
    char base[DSN_BASE_SIZE]; /* "https://sentry.example.com:9000/prefix", without a slash at its end */
    char key[DSN_KEY_SIZE];   /* the public one; the dead secret is forgotten */
    char project[DSN_PROJECT_SIZE];
};

/* CCOL_EFORMAT: not a DSN; the text tells which part, and shows nothing of it. */
int ccol__dsn_parse(struct dsn *out, const char *text, ccol_error *err);
/* BASE/api/PROJECT/ENDPOINT/ */
const char *ccol__dsn_url(char out[DSN_URL_SIZE], const struct dsn *dsn, const char *endpoint);

#endif
