/* SPDX-License-Identifier: MIT */
/* What an HTTP answer that is none of the expected ones says, as an error. */
#ifndef CCOL_NET_HTTP_ANSWER_H
#define CCOL_NET_HTTP_ANSWER_H

#include "net/http_client.h"

/* Fills err with "WHO answered STATUS WORDS" and the cure, and with the answer's Retry-After; returns code. The words:
 * message, else the first line of the body; cleaned and cut. */
int ccol__http_answer_fail(const struct http_response *response, int code, const char *who, const char *message,
                           const char *cure, ccol_error *err);
/* What a start makes of code: 0 where nobody was reached, or where a server answered (status; 0: none did) that it is
 * down or busy, as that may pass by itself and keeps nobody from starting; else code. */
int ccol__http_verified(int code, int status);

#endif
