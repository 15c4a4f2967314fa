/* SPDX-License-Identifier: MIT */
#include "net/http_answer.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

#define WORDS_MAX 100

int ccol__http_answer_fail(const struct http_response *response, int code, const char *who, const char *message,
                           const char *cure, ccol_error *err)
{
    char words[WORDS_MAX + 1];
    const char *body = response->body.length ? response->body.data : "";
    size_t length = message ? strlen(message) : strcspn(body, "\r\n");
    ccol__text_for_log(words, sizeof words, message ? message : body, length);
    ccol_fail(err, code, "%s answered %d%s%s%s", who, response->status, *words ? " " : "", words, cure);
    if (err) err->retry_after_s = ccol__http_response_retry_after(response);
    return code;
}

int ccol__http_verified(int code, int status)
{
    bool unreached = code == -ETIMEDOUT || code == -ECONNREFUSED || code == -ECONNRESET || code == -EHOSTUNREACH;
    return unreached || status >= 500 || status == 429 ? 0 : code;
}
