/* SPDX-License-Identifier: MIT */
/* Bearer tokens for Google's APIs that a service account signs itself (RS256): no token server is asked. */
#ifndef CCOL_NET_GOOGLE_TOKEN_H
#define CCOL_NET_GOOGLE_TOKEN_H

#include <pthread.h>

#include <crashcollect/error.h>

/* Any thread. Keeps the token until shortly before it expires, and then reads the key file again. */
struct google_token {
    pthread_mutex_t lock;
    char *key_file, *audience;
    char *bearer;       /* "Bearer TOKEN" */
    int64_t expires_us; /* 0: there is none */
};

/* key_file: the JSON that Google gives out for a service account. -ENOMEM. */
int ccol__google_token_init(struct google_token *token, const char *key_file, const char *audience, ccol_error *err);
void ccol__google_token_fini(struct google_token *token); /* wipes it; zeroed memory is fine */

/* The value of an Authorization header; the caller wipes and frees it. CCOL_EFORMAT: the file is no such key; -errno:
 * it cannot be read. */
int ccol__google_token_get(struct google_token *token, int64_t now_us, char **out, ccol_error *err);
/* The far end refused it: the next one is made anew. */
void ccol__google_token_drop(struct google_token *token);

#endif
