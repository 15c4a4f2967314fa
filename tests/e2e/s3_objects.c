/* SPDX-License-Identifier: MIT */
/* s3_objects BUCKET ENDPOINT KEY...: puts an object under each key, whose body is the key, and reads it back by the
 * signer and the calls of the storage. s3_objects BUCKET ENDPOINT --list or --load: the crash ids there, or of every
 * crash its id, annotations and files. Keys are taken as AWS's tools find them. */
#include <stdio.h>
#include <string.h>

#include "storage/s3.h"
#include "storage/storage.h"

static int fail(const char *what, const ccol_error *err)
{
    fprintf(stderr, "%s: %s\n", what, err->text);
    return 1;
}

static int round_trip(struct s3 *s3, const char *key)
{
    ccol_error err = {0};
    struct http_response response;
    const struct s3_call put = {.method = "PUT", .key = key, .body = key, .length = strlen(key)};
    const struct s3_call get = {.method = "GET", .key = key};
    if (ccol__s3_call(s3, &put, NULL, NULL, &err)) return fail(key, &err);
    if (ccol__s3_call(s3, &get, &response, NULL, &err)) return fail(key, &err);
    bool same = response.body.length == strlen(key) && memcmp(response.body.data, key, strlen(key)) == 0;
    ccol__http_response_fini(&response);
    if (!same) fprintf(stderr, "%s: comes back as something else\n", key);
    return same ? 0 : 1;
}

static int print_id(void *user, const char *crash_id)
{
    (void)user;
    puts(crash_id);
    return 0;
}

static int print_crash(void *user, const char *crash_id)
{
    ccol_error err = {0};
    ccol_report *report;
    ccol_file file = {.size = sizeof file};
    if (ccol_storage_load(user, crash_id, &report, &err)) return fail(crash_id, &err);
    printf("%s %s", ccol_report_id(report), ccol_report_annotation(report, "ProductName"));
    for (size_t i = 0; ccol_report_file_at(report, i, &file); i++)
        printf(" %s=%zu", file.name, file.length);
    puts("");
    ccol_report_unref(report);
    return 0;
}

int main(int argc, char **argv)
{
    ccol_error err = {0};
    ccol_storage *storage;
    ccol_s3_options options = {.size = sizeof options, .proxy = "off"};
    if (argc < 4) return 2;
    options.bucket = argv[1];
    options.endpoint_url = argv[2];
    if (ccol_storage_new_s3(&storage, &options, &err)) return fail("options", &err);
    int code = 0;
    if (strcmp(argv[3], "--list") == 0)
        code = ccol_storage_list(storage, print_id, NULL, &err);
    else if (strcmp(argv[3], "--load") == 0)
        code = ccol_storage_list(storage, print_crash, storage, &err);
    else
        for (int i = 3; i < argc; i++)
            code |= round_trip(storage->self, argv[i]);
    if (code < 0) fail(argv[3], &err);
    ccol_storage_unref(storage);
    return code ? 1 : 0;
}
