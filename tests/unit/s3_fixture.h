/* SPDX-License-Identifier: MIT */
/* S3 storages for unit tests, and what they log. */
#ifndef CCOL_TESTS_S3_FIXTURE_H
#define CCOL_TESTS_S3_FIXTURE_H

#include "storage/s3.h"
#include "storage/storage.h"

#include "check.h"

static char s3_log[8192];

static inline void keep_log(void *user, ccol_level level, const char *part, const char *crash_id, const char *text)
{
    (void)user, (void)level, (void)crash_id;
    size_t used = strlen(s3_log);
    snprintf(s3_log + used, sizeof s3_log - used, "%s: %s\n", part, text);
}

static inline ccol_s3_options given_options(const char *url)
{
    s3_log[0] = '\0';
    return (ccol_s3_options){.size = sizeof(ccol_s3_options),
                             .bucket = "bucket",
                             .endpoint_url = url,
                             .access_key_id = "ID",
                             .secret_access_key = "very-secret",
                             .proxy = "off",
                             .timeout_ms = 20000,
                             .log = keep_log};
}

static inline ccol_storage *open_storage(const ccol_s3_options *options)
{
    ccol_storage *storage = NULL;
    ccol_error err = {0};
    if (ccol_storage_new_s3(&storage, options, &err)) CHECK_TEXT(err.text, "");
    REQUIRE(storage);
    return storage;
}

#endif
