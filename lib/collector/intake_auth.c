/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/text.h"
#include "collector/intake_private.h"

#define SCHEME "Sentry"
#define FIELD  "sentry_key"
#define BLANKS " \t,"

int ccol__intake_refuse(struct intake *intake, unsigned status, const char *why)
{
    if (!intake->status) {
        intake->status = status;
        intake->why = why;
    }
    return CCOL_EFORMAT;
}

static bool admits(const struct intake *intake, const char *key, size_t length)
{
    char given[129];
    bool found = false;
    if (!length || length >= sizeof given) return false;
    memcpy(given, key, length);
    given[length] = '\0';
    for (const char *const *known = intake->limits.keys; known && *known; known++)
        found = ccol__text_equal_secret(given, *known) || found;
    return found;
}

static void judge_key(struct intake *intake, const char *key, size_t length)
{
    if (admits(intake, key, length))
        intake->authenticated = true;
    else
        ccol__intake_refuse(intake, 403, "the key is not on this collector's list");
}

/* "Sentry sentry_version=7, sentry_key=abc, ..." */
static void judge_header(struct intake *intake, const char *header)
{
    const char *at = header + strspn(header, BLANKS);
    if (ccol__text_starts_nocase(at, strlen(at), SCHEME)) at += strlen(SCHEME);
    while (*(at += strspn(at, BLANKS))) {
        size_t length = strcspn(at, BLANKS), name = strcspn(at, "=");
        if (name < length && ccol__text_equal_nocase(at, name, FIELD)) {
            judge_key(intake, at + name + 1, length - name - 1);
            return;
        }
        at += length;
    }
    ccol__intake_refuse(intake, 401, "the authorization names no sentry_key");
}

void ccol__intake_authenticate(struct intake *intake, const ccol_upload_info *info)
{
    const char *authorization = info->authorization;
    if (authorization && !ccol__text_starts_nocase(authorization, strlen(authorization), SCHEME " "))
        authorization = NULL; /* for somebody else on the way */
    unsigned ways = (info->sentry_auth ? 1 : 0) + (info->sentry_key ? 1 : 0) + (authorization ? 1 : 0);
    if (ways > 1)
        ccol__intake_refuse(intake, 401, "multiple authorization payloads");
    else if (info->sentry_key)
        judge_key(intake, info->sentry_key, strlen(info->sentry_key));
    else if (ways == 1)
        judge_header(intake, authorization ? authorization : info->sentry_auth);
    else if (intake->kind != INTAKE_ENVELOPE)
        ccol__intake_refuse(intake, 401, "missing authorization: send X-Sentry-Auth or ?sentry_key=");
}

int ccol__intake_authenticate_dsn(struct intake *intake, const char *dsn)
{
    const char *key = dsn ? strstr(dsn, "://") : NULL;
    if (intake->authenticated) return 0;
    if (!key) return ccol__intake_refuse(intake, 401, "missing authorization: send X-Sentry-Auth or ?sentry_key=");
    key += 3;
    judge_key(intake, key, strcspn(key, ":@/"));
    return intake->status ? CCOL_EFORMAT : 0;
}
