/* SPDX-License-Identifier: MIT */
#include "storage/s3.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "storage/storage.h"

static int put(struct s3 *s3, const char *key, const void *body, size_t length, const uint8_t *sha256, ccol_error *err)
{
    const struct s3_call call = {.method = "PUT", .key = key, .body = body, .length = length, .sha256 = sha256};
    if (length > S3_OBJECT_MAX)
        return ccol_fail(err, CCOL_ETOOLARGE, "bucket %s: %s has %zu bytes, more than one PUT takes", s3->bucket, key,
                         length);
    return ccol__s3_call(s3, &call, NULL, NULL, err);
}

/* The raw crash comes last: where there is one, the crash is complete. */
static int save(void *self, const ccol_report *report, ccol_error *err)
{
    struct s3 *s3 = self;
    const char *id = ccol_report_id(report);
    char key[S3_KEY_SIZE];
    size_t length;
    if (ccol__storage_collides(&s3->storage, report))
        return ccol_fail(err, CCOL_EREJECTED, "its files upload_file_minidump and dump would have the same key");
    const char *names = ccol_report_dump_names_json(report, &length);
    ccol__s3_key_dump_names(key, id);
    int code = put(s3, key, names, length, NULL, err);
    ccol_file file = {.size = sizeof file};
    for (size_t i = 0; !code && ccol_report_file_at(report, i, &file); i++) {
        ccol__s3_key_file(key, file.name, id);
        code = put(s3, key, file.data, file.length, file.sha256, err);
    }
    if (code) return code;
    const char *json = ccol_report_json(report, &length);
    ccol__s3_key_raw_crash(s3, key, id);
    return put(s3, key, json, length, NULL, err);
}

static void destroy(void *self)
{
    struct s3 *s3 = self;
    ccol__http_client_free(s3->http);
    ccol__aws_credentials_free(s3->credentials);
    ccol__sigv4_fini(&s3->signer);
    pthread_mutex_destroy(&s3->lock);
    free(s3->bucket);
    free(s3->endpoint);
    free(s3->put_header_text);
    free(s3);
}

int ccol_storage_new_s3(ccol_storage **out, const ccol_s3_options *options, ccol_error *err)
{
    ccol_s3_options known;
    int code = ccol__struct_in(&known, sizeof known, options, "ccol_s3_options", err);
    if (code) return code;
    struct s3 *s3 = calloc(1, sizeof *s3);
    if (!s3) return ccol_fail(err, -ENOMEM, "cannot make a storage");
    pthread_mutex_init(&s3->lock, NULL);
    ccol__sigv4_init(&s3->signer);
    code = ccol__s3_configure(s3, &known, err);
    const ccol_storage_ops s3_ops = {.size = sizeof s3_ops,
                                     .name = "s3",
                                     .save = save,
                                     .verify = ccol__s3_verify,
                                     .check = ccol__s3_check,
                                     .load = ccol__s3_load,
                                     .list = ccol__s3_list,
                                     .destroy = destroy};
    if (!code) code = ccol_storage_new(&s3->storage, &s3_ops, s3, err);
    if (code) {
        destroy(s3);
        return code;
    }
    *out = s3->storage;
    (*out)->renames_minidump = true;
    if (ccol__storage_set_place(*out, "%s/%s", s3->endpoint ? s3->endpoint : "aws", s3->bucket) == 0) return 0;
    ccol_storage_unref(*out);
    *out = NULL;
    return ccol_fail(err, -ENOMEM, "cannot make a storage");
}
