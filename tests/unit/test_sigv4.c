/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "net/sigv4.h"
#include "net/uri.h"

#include "check.h"

#define DAY_US  INT64_C(86400000000)
#define MAY_24  INT64_C(1369353600000000) /* 2013-05-24, the day of the examples in Amazon's manual of S3 */
#define THREADS 8
#define ROUNDS  200

static const struct sigv4_keys example_keys = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                               NULL};

static struct sigv4_request s3_request(const char *method, const char *url)
{
    return (struct sigv4_request){.method = method,
                                  .url = url,
                                  .region = "us-east-1",
                                  .service = "s3",
                                  .now_us = MAY_24,
                                  .path_as_is = true,
                                  .payload_header = true};
}

/* The signature of a request; lives until the next call. */
static const char *signature_by(struct sigv4 *signer, const struct sigv4_request *request,
                                const struct sigv4_keys *keys)
{
    static _Thread_local char signature[65];
    struct sigv4_headers out;
    REQUIRE(ccol__sigv4_sign(signer, request, keys, &out) == 0);
    const char *found = strstr(out.list[out.count - 1].value, "Signature=");
    REQUIRE(found);
    snprintf(signature, sizeof signature, "%s", found + strlen("Signature="));
    ccol__sigv4_headers_fini(&out);
    return signature;
}

static const char *signature_of(const struct sigv4_request *request, const struct sigv4_keys *keys)
{
    struct sigv4 signer;
    ccol__sigv4_init(&signer);
    const char *signature = signature_by(&signer, request, keys);
    ccol__sigv4_fini(&signer);
    return signature;
}

static void the_manual_of_s3_is_right(void)
{
    const struct http_header range = {"Range", "bytes=0-9"};
    struct sigv4_request request = s3_request("GET", "https://examplebucket.s3.amazonaws.com/test.txt");
    request.headers = &range;
    request.header_count = 1;
    CHECK_TEXT(signature_of(&request, &example_keys),
               "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");

    const struct http_header put[] = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                      {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
    char hash[2 * SHA256_BYTES + 1];
    REQUIRE(ccol__sigv4_payload_hash(hash, "Welcome to Amazon S3.", 21));
    request = s3_request("PUT", "https://examplebucket.s3.amazonaws.com/test%24file.text");
    request.headers = put;
    request.header_count = 2;
    request.payload_hash = hash;
    CHECK_TEXT(signature_of(&request, &example_keys),
               "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");

    request = s3_request("GET", "https://examplebucket.s3.amazonaws.com/?lifecycle");
    CHECK_TEXT(signature_of(&request, &example_keys),
               "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    request = s3_request("GET", "https://examplebucket.s3.amazonaws.com?prefix=J&max-keys=2");
    CHECK_TEXT(signature_of(&request, &example_keys),
               "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void what_is_sent_is_complete(void)
{
    const struct sigv4_keys keys = {"ID", "secret", "a-token"};
    const struct http_header given = {"x-amz-server-side-encryption", "AES256"};
    struct sigv4_request request = s3_request("PUT", "https://b.s3.amazonaws.com/k");
    struct sigv4 signer;
    struct sigv4_headers out;
    request.headers = &given;
    request.header_count = 1;
    request.payload_hash = SIGV4_UNSIGNED_PAYLOAD;
    ccol__sigv4_init(&signer);
    REQUIRE(ccol__sigv4_sign(&signer, &request, &keys, &out) == 0);
    REQUIRE(out.count == 5);
    CHECK_TEXT(out.list[0].name, "x-amz-server-side-encryption");
    CHECK_TEXT(out.list[1].name, "X-Amz-Date");
    CHECK_TEXT(out.list[1].value, "20130524T000000Z");
    CHECK_TEXT(out.list[2].name, "X-Amz-Content-Sha256");
    CHECK_TEXT(out.list[2].value, "UNSIGNED-PAYLOAD");
    CHECK_TEXT(out.list[3].name, "X-Amz-Security-Token");
    CHECK_TEXT(out.list[3].value, "a-token");
    CHECK_TEXT(out.list[4].name, "Authorization");
    CHECK(strstr(out.list[4].value, "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token;"
                                    "x-amz-server-side-encryption, "));
    CHECK(!strstr(out.list[4].value, "secret"));
    ccol__sigv4_headers_fini(&out);
    ccol__sigv4_fini(&signer);
}

static void the_key_of_the_day_changes_with_all_it_is_made_from(void)
{
    struct sigv4 signer;
    struct sigv4_keys keys = example_keys;
    struct sigv4_request requests[5];
    char first[65];
    for (int i = 0; i < 5; i++)
        requests[i] = s3_request("GET", "https://examplebucket.s3.amazonaws.com/?lifecycle");
    requests[1].now_us += DAY_US;
    requests[2].region = "eu-west-1";
    requests[3].service = "sqs";
    requests[4].now_us += DAY_US - 1;
    ccol__sigv4_init(&signer);
    snprintf(first, sizeof first, "%s", signature_by(&signer, &requests[0], &keys));
    for (int i = 1; i < 5; i++) { /* the cached key gives what a fresh signer gives, there and back */
        char fresh[65];
        snprintf(fresh, sizeof fresh, "%s", signature_of(&requests[i], &keys));
        CHECK_TEXT(signature_by(&signer, &requests[i], &keys), fresh);
        CHECK(strcmp(fresh, first) != 0);
        CHECK_TEXT(signature_by(&signer, &requests[0], &keys), first);
    }
    keys.secret = "another";
    CHECK(strcmp(signature_by(&signer, &requests[0], &keys), first) != 0);
    keys.secret = example_keys.secret;
    CHECK_TEXT(signature_by(&signer, &requests[0], &keys), first);
    ccol__sigv4_fini(&signer);
}

static const char *canonical_path(const char *url, bool as_is)
{
    static char text[512];
    struct sigv4_request request = s3_request("GET", url);
    struct buffer out;
    request.path_as_is = as_is;
    ccol__buffer_init(&out, 4096, NULL);
    ccol__sigv4_canonical(&out, &request, NULL, 0);
    REQUIRE(!out.failed);
    snprintf(text, sizeof text, "%.*s", (int)(strstr(out.data + 4, "\n\n") - out.data - 4), out.data + 4);
    ccol__buffer_fini(&out);
    return text;
}

static void paths_follow_the_rule_of_the_service(void)
{
    CHECK_TEXT(canonical_path("http://h/a/../b//c%20d/./", true), "/a/../b//c%20d/./");
    CHECK_TEXT(canonical_path("http://h/a/../b//c%20d/./", false), "/b/c%2520d/");
    CHECK_TEXT(canonical_path("http://h/../../a", false), "/a");
    CHECK_TEXT(canonical_path("http://h/a/b/..", false), "/a/");
    CHECK_TEXT(canonical_path("http://h/a/...", false), "/a/...");
    CHECK_TEXT(canonical_path("http://h", false), "/");
    CHECK_TEXT(canonical_path("http://h", true), "/");
    CHECK_TEXT(canonical_path("http://h/k#fragment", true), "/k");
}

static const char *canonical_query(const char *query)
{
    static char text[512];
    char url[512];
    snprintf(url, sizeof url, "http://h/?%s", query);
    struct sigv4_request request = s3_request("GET", url);
    struct buffer out;
    ccol__buffer_init(&out, 4096, NULL);
    ccol__sigv4_canonical(&out, &request, NULL, 0);
    REQUIRE(!out.failed);
    const char *begin = out.data + strlen("GET\n/\n");
    snprintf(text, sizeof text, "%.*s", (int)strcspn(begin, "\n"), begin);
    ccol__buffer_fini(&out);
    return text;
}

static void queries_are_sorted_and_encoded(void)
{
    CHECK_TEXT(canonical_query("uploads"), "uploads=");
    CHECK_TEXT(canonical_query("list-type=2&prefix=a%2Fb&max-keys=5"), "list-type=2&max-keys=5&prefix=a%2Fb");
    CHECK_TEXT(canonical_query("b=2&a=2&a=1&a"), "a=&a=1&a=2&b=2");
    CHECK_TEXT(canonical_query("a-b=1&a=2&aa=3"), "a=2&a-b=1&aa=3"); /* by name, not by the whole text */
    CHECK_TEXT(canonical_query("a=b=c&&x=y+z"), "a=b%3Dc&x=y%2Bz");
}

static void mistakes_are_refused(void)
{
    struct sigv4 signer;
    struct sigv4_headers out;
    struct http_header many[SIGV4_HEADERS_MAX];
    char region[300], query[600] = "http://h/?";
    ccol__sigv4_init(&signer);
    struct sigv4_request request = s3_request("GET", "no url");
    CHECK_INT(ccol__sigv4_sign(&signer, &request, &example_keys, &out), -EINVAL);
    request = s3_request("GET", "http://h/");
    for (size_t i = 0; i < SIGV4_HEADERS_MAX; i++)
        many[i] = (struct http_header){"X-A", "a"};
    request.headers = many;
    request.header_count = SIGV4_HEADERS_MAX - 2;
    CHECK_INT(ccol__sigv4_sign(&signer, &request, &example_keys, &out), -EINVAL);
    request.header_count = SIGV4_HEADERS_MAX - 3;
    CHECK_INT(ccol__sigv4_sign(&signer, &request, &example_keys, &out), 0);
    ccol__sigv4_headers_fini(&out);
    memset(region, 'r', sizeof region - 1);
    region[sizeof region - 1] = '\0';
    request.region = region;
    CHECK_INT(ccol__sigv4_sign(&signer, &request, &example_keys, &out), -EINVAL);
    for (size_t at = strlen(query); at + 2 < sizeof query; at += 2)
        memcpy(query + at, "a&", 3);
    request = s3_request("GET", query);
    CHECK(ccol__sigv4_sign(&signer, &request, &example_keys, &out) <
          0); /* too many parameters, not a wrong signature */
    ccol__sigv4_fini(&signer);
}

static void urls_fall_into_their_parts(void)
{
    struct uri uri;
    REQUIRE(ccol__uri_split("https://h:443/a/b?c=d#e", &uri));
    CHECK(uri.host_length == 1 && uri.path_length == 4 && uri.query_length == 3);
    REQUIRE(ccol__uri_split("http://h:80", &uri));
    CHECK(uri.host_length == 1 && uri.path_length == 0 && uri.query_length == 0);
    REQUIRE(ccol__uri_split("http://h:443/", &uri));
    CHECK_INT(uri.host_length, 5);
    REQUIRE(ccol__uri_split("HTTPS://[::1]:443?q", &uri));
    CHECK(uri.host_length == 5 && uri.query_length == 1);
    CHECK(!ccol__uri_split("h/a", &uri));
    CHECK(!ccol__uri_split("http:///a", &uri));
    CHECK(!ccol__uri_split("://h", &uri));
}

static void bytes_are_encoded_for_a_url(void)
{
    struct buffer out;
    ccol__buffer_init(&out, 200, NULL);
    ccol__uri_encode(&out, "a b/c+d%\xc3\xa4~.-_\0", 15, true);
    CHECK_TEXT(out.data, "a%20b/c%2Bd%25%C3%A4~.-_%00");
    ccol__buffer_clear(&out);
    ccol__uri_encode(&out, "a/b", 3, false);
    CHECK_TEXT(out.data, "a%2Fb");
    ccol__uri_encode(&out, "", 0, false);
    CHECK_TEXT(out.data, "a%2Fb");
    ccol__buffer_fini(&out);
}

struct crowd {
    struct sigv4 signer;
    char wanted[2][65];
    int failures;
};

static void *sign_often(void *user)
{
    struct crowd *crowd = user;
    for (int i = 0; i < ROUNDS; i++) {
        struct sigv4_request request = s3_request("GET", "http://h/k");
        request.now_us += i % 2 ? DAY_US : 0;
        if (strcmp(signature_by(&crowd->signer, &request, &example_keys), crowd->wanted[i % 2]) != 0)
            __atomic_fetch_add(&crowd->failures, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void threads_share_a_signer(void)
{
    static struct crowd crowd;
    pthread_t threads[THREADS];
    ccol__sigv4_init(&crowd.signer);
    for (int i = 0; i < 2; i++) {
        struct sigv4_request request = s3_request("GET", "http://h/k");
        request.now_us += i * DAY_US;
        snprintf(crowd.wanted[i], sizeof crowd.wanted[i], "%s", signature_of(&request, &example_keys));
    }
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, sign_often, &crowd) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(crowd.failures, 0);
    ccol__sigv4_fini(&crowd.signer);
}

int main(void)
{
    RUN(the_manual_of_s3_is_right);
    RUN(what_is_sent_is_complete);
    RUN(the_key_of_the_day_changes_with_all_it_is_made_from);
    RUN(paths_follow_the_rule_of_the_service);
    RUN(queries_are_sorted_and_encoded);
    RUN(mistakes_are_refused);
    RUN(urls_fall_into_their_parts);
    RUN(bytes_are_encoded_for_a_url);
    RUN(threads_share_a_signer);
    return check_done();
}
