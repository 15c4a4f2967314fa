/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "s3_fixture.h"

static void check_url(const ccol_s3_options *options, const char *region, const char *key, const char *wanted)
{
    struct buffer url;
    ccol_storage *storage = open_storage(options);
    ccol__buffer_init(&url, 4096, NULL);
    ccol__s3_url(storage->self, &url, region, key, NULL);
    CHECK_TEXT(url.data, wanted);
    ccol__buffer_fini(&url);
    ccol_storage_unref(storage);
}

static void buckets_are_addressed_as_their_place_wants_it(void)
{
    ccol_s3_options options = given_options(NULL);
    check_url(&options, "eu-west-1", "a b/c", "https://bucket.s3.eu-west-1.amazonaws.com/a%20b/c");
    check_url(&options, "eu-west-1", NULL, "https://bucket.s3.eu-west-1.amazonaws.com/");
    check_url(&options, "cn-north-1", "k", "https://bucket.s3.cn-north-1.amazonaws.com.cn/k");
    options.bucket = "with.dots";
    check_url(&options, "eu-west-1", "k", "https://s3.eu-west-1.amazonaws.com/with.dots/k");
    options.bucket = "Under_Score";
    check_url(&options, "eu-west-1", "k", "https://s3.eu-west-1.amazonaws.com/Under_Score/k");
    options = given_options("http://host:9000/prefix//");
    check_url(&options, "r", "k", "http://host:9000/prefix/bucket/k");
    check_url(&options, "r", NULL, "http://host:9000/prefix/bucket");
    options.addressing = "virtual";
    check_url(&options, "r", "k", "http://bucket.host:9000/prefix/k");
    options = given_options(NULL);
    options.addressing = "path";
    check_url(&options, "r", "..", "https://s3.r.amazonaws.com/bucket/..");
}

static void mistakes_are_told(void)
{
    static const struct {
        const char *bucket, *endpoint, *layout, *addressing, *signing, *headers, *region, *says;
    } bad[] = {
        {NULL, NULL, NULL, NULL, NULL, NULL, NULL, "bucket is required"},
        {"a/b", NULL, NULL, NULL, NULL, NULL, NULL, "bucket's name alone"},
        {"..", NULL, NULL, NULL, NULL, NULL, NULL, "bucket's name alone"},
        {"a\nb", NULL, NULL, NULL, NULL, NULL, NULL, "bucket's name alone"},
        {"b", "ftp://h", NULL, NULL, NULL, NULL, NULL, "endpoint_url"},
        {"b", "http://u:p@h", NULL, NULL, NULL, NULL, NULL, "endpoint_url"},
        {"b", "http://h?x", NULL, NULL, NULL, NULL, NULL, "endpoint_url"},
        {"b", NULL, "v3", NULL, NULL, NULL, NULL, "give v2 or v1"},
        {"b", NULL, NULL, "host", NULL, NULL, NULL, "give auto, path or virtual"},
        {"No_DNS", NULL, NULL, "virtual", NULL, NULL, NULL, "use addressing path"},
        {"b", NULL, NULL, NULL, "never", NULL, NULL, "give auto or always"},
        {"b", NULL, NULL, NULL, NULL, "Content-Type: x", NULL, "give x-amz-NAME: VALUE"},
        {"b", NULL, NULL, NULL, NULL, "x-amz-acl", NULL, "give x-amz-NAME: VALUE"},
        {"b", NULL, NULL, NULL, NULL, NULL, "eu west", "give a name such as eu-west-1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ccol_storage *storage = NULL;
        ccol_error err = {0};
        ccol_s3_options options = given_options(bad[i].endpoint);
        options.bucket = bad[i].bucket;
        options.layout = bad[i].layout;
        options.addressing = bad[i].addressing;
        options.payload_signing = bad[i].signing;
        options.headers = bad[i].headers;
        options.region = bad[i].region;
        CHECK(ccol_storage_new_s3(&storage, &options, &err) < 0);
        if (!strstr(err.text, bad[i].says)) CHECK_TEXT(err.text, bad[i].says);
    }
    ccol_storage *storage = NULL;
    ccol_s3_options options = given_options(NULL);
    options.size = 0;
    CHECK_INT(ccol_storage_new_s3(&storage, &options, NULL), CCOL_EABI);
    options = given_options(NULL);
    options.secret_access_key = NULL;
    CHECK_INT(ccol_storage_new_s3(&storage, &options, NULL), -EINVAL);
}

int main(void)
{
    RUN(buckets_are_addressed_as_their_place_wants_it);
    RUN(mistakes_are_told);
    return check_done();
}
