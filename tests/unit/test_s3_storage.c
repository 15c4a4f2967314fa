/* SPDX-License-Identifier: MIT */
/* What a real S3 server cannot be made to do: other regions, redirects, clocks and keys that go wrong under way,
 * answers that break. What it can is in e2e/test_s3.py. */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "report/report.h"

#include "fixture.h"
#include "http_fixture.h"
#include "s3_fixture.h"

#define HEADS_MAX 64

/* What the server does to its requests, in this order; then it behaves. */
struct play {
    const char *status;  /* of the answers that refuse */
    const char *headers; /* of those */
    const char *body;
    atomic_int refusals; /* how many there are */
    bool resets;         /* instead of an answer */
    bool cuts;           /* the answer ends in its middle */
    const char *unless;  /* a text whose presence in a request's head makes it right at once */
    atomic_uint count;
    char *heads[HEADS_MAX]; /* of all requests */
    pthread_mutex_t lock;
};

static void keep_head(struct play *play, const struct http_exchange *exchange)
{
    pthread_mutex_lock(&play->lock);
    REQUIRE(play->count < HEADS_MAX);
    play->heads[play->count++] = strdup(exchange->head);
    pthread_mutex_unlock(&play->lock);
}

static bool answer(struct http_exchange *exchange)
{
    static const char cut[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    struct play *play = exchange->user;
    keep_head(play, exchange);
    bool right = play->unless && strstr(exchange->head, play->unless);
    if (right || play->refusals-- <= 0) return http_answer(exchange, "200 OK", "", "");
    if (play->resets) return http_reset(exchange);
    if (play->cuts) {
        http_send(exchange, cut, sizeof cut - 1);
        return false;
    }
    return http_answer(exchange, play->status, play->headers ? play->headers : "", play->body ? play->body : "");
}

static void start_play(struct http_fixture *server, struct play *play)
{
    pthread_mutex_init(&play->lock, NULL);
    http_fixture_start(server, answer, play);
}

static void end_play(struct http_fixture *server, struct play *play)
{
    http_fixture_stop(server);
    for (unsigned i = 0; i < play->count; i++)
        free(play->heads[i]);
    play->count = 0;
    pthread_mutex_destroy(&play->lock);
}

static int put(ccol_storage *storage, ccol_error *err)
{
    const struct s3_call call = {.method = "PUT", .key = "a/key", .body = "body", .length = 4};
    return ccol__s3_call(storage->self, &call, NULL, NULL, err);
}

/* Plays once: one PUT against a server that does this. */
static int play_put(struct play *play, ccol_error *err)
{
    struct http_fixture server;
    start_play(&server, play);
    ccol_s3_options options = given_options(server.url);
    ccol_storage *storage = open_storage(&options);
    int code = put(storage, err);
    ccol_storage_unref(storage);
    http_fixture_stop(&server);
    pthread_mutex_destroy(&play->lock);
    return code;
}

static void forget(struct play *play)
{
    for (unsigned i = 0; i < play->count; i++)
        free(play->heads[i]);
}

#define XML(code, more) "<?xml version=\"1.0\"?><Error><Code>" code "</Code><Message>said</Message>" more "</Error>"

static void what_passes_soon_is_tried_again(void)
{
    static const struct play passing[] = {
        {.status = "503 Service Unavailable", .body = XML("SlowDown", ""), .refusals = 2},
        {.status = "500 Internal Server Error", .body = XML("InternalError", ""), .refusals = 2},
        {.status = "400 Bad Request", .body = XML("RequestTimeout", ""), .refusals = 1},
        {.status = "502 Bad Gateway", .body = "<html>no S3", .refusals = 1},
        {.resets = true, .refusals = 2},
        {.cuts = true, .refusals = 2},
    };
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
        ccol_error err = {0};
        struct play play = passing[i];
        int wanted = play.refusals + 1;
        CHECK_INT(play_put(&play, &err), 0);
        CHECK_INT(play.count, wanted);
        forget(&play);
    }
}

static void what_does_not_is_left_to_the_queue(void)
{
    static const struct {
        struct play play;
        int count, code;
        const char *says;
        unsigned retry_after_s;
    } cases[] = {
        {{.status = "503 Slow Down", .body = XML("SlowDown", "")}, 3, CCOL_EREMOTE, "503 SlowDown", 0},
        {{.status = "503 Slow Down", .headers = "Retry-After: 7\r\n", .body = XML("SlowDown", "")},
         1,
         CCOL_EREMOTE,
         "503 SlowDown",
         7},
        {{.status = "403 Forbidden", .body = XML("AccessDenied", "")}, 1, CCOL_EREMOTE, "are the keys right?", 0},
        {{.status = "403 Forbidden", .body = XML("SignatureDoesNotMatch", "")}, 1, CCOL_EREMOTE, "secret key", 0},
        {{.status = "404 Not Found", .body = XML("NoSuchBucket", "")}, 1, CCOL_EREMOTE, "no such bucket", 0},
        {{.status = "400 Bad Request", .body = XML("EntityTooLarge", "")}, 1, CCOL_ETOOLARGE, "EntityTooLarge", 0},
        {{.status = "418 Teapot", .body = "\x01\x02<"}, 1, CCOL_EREMOTE, "answered 418", 0},
        {{.resets = true}, 3, -ECONNRESET, "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ccol_error err = {0};
        struct play play = cases[i].play;
        play.refusals = 1000;
        CHECK_INT(play_put(&play, &err), cases[i].code);
        CHECK_INT(play.count, cases[i].count);
        CHECK_INT(err.code, cases[i].code);
        CHECK_INT(err.retry_after_s, cases[i].retry_after_s);
        if (!strstr(err.text, cases[i].says)) CHECK_TEXT(err.text, cases[i].says);
        CHECK(!strstr(err.text, "very-secret"));
        forget(&play);
    }
}

/* The region that a request was signed for stands in its Authorization header. */
static void another_region_is_learnt_once(void)
{
    static const struct play elsewhere[] = {
        {.status = "301 Moved Permanently", .headers = "x-amz-bucket-region: eu-north-1\r\n"},
        {.status = "400 Bad Request", .body = XML("AuthorizationHeaderMalformed", "<Region>eu-north-1</Region>")},
    };
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
        struct http_fixture server;
        struct play play = elsewhere[i];
        play.refusals = 1000;
        play.unless = "/eu-north-1/s3/";
        start_play(&server, &play);
        ccol_s3_options options = given_options(server.url);
        ccol_storage *storage = open_storage(&options);
        CHECK_INT(put(storage, NULL), 0);
        CHECK_INT(put(storage, NULL), 0);
        CHECK_INT(play.count, 3); /* the second knew it */
        CHECK(strstr(play.heads[0], "/us-east-1/s3/"));
        CHECK(strstr(s3_log, "eu-north-1"));
        ccol_storage_unref(storage);
        end_play(&server, &play);
    }
}

static void a_region_that_is_none_is_not_believed(void)
{
    ccol_error err = {0};
    struct play play = {.status = "301 Moved", .headers = "x-amz-bucket-region: ../evil\r\n", .refusals = 1000};
    CHECK_INT(play_put(&play, &err), CCOL_EREMOTE);
    CHECK_INT(play.count, 1);
    CHECK(strstr(err.text, "301"));
    forget(&play);
}

static void a_redirect_is_followed_signed_anew_and_forgotten(void)
{
    struct http_fixture first, second;
    char headers[160];
    struct play there = {0}, here = {.status = "307 Temporary Redirect", .headers = headers, .refusals = 1};
    start_play(&second, &there);
    start_play(&first, &here);
    snprintf(headers, sizeof headers, "Location: http://127.0.0.1:%u/bucket/a/key\r\n", second.port);
    ccol_s3_options options = given_options(first.url);
    ccol_storage *storage = open_storage(&options);
    CHECK_INT(put(storage, NULL), 0);
    CHECK_INT(put(storage, NULL), 0);
    CHECK_INT(here.count, 2);
    REQUIRE(there.count == 1);
    char host[64];
    snprintf(host, sizeof host, "Host: 127.0.0.1:%u\r\n", second.port);
    CHECK(strstr(there.heads[0], host) && strstr(there.heads[0], "Content-Length: 4\r\n"));
    CHECK(strcmp(strstr(there.heads[0], "Signature="), strstr(here.heads[0], "Signature=")) != 0);
    here.refusals = 1000; /* round and round: one is enough */
    there.refusals = 1000;
    there.status = here.status;
    there.headers = here.headers;
    ccol_error err = {0};
    CHECK_INT(put(storage, &err), CCOL_EREMOTE);
    CHECK(strstr(err.text, "307"));
    CHECK_INT(there.count, 2);
    ccol_storage_unref(storage);
    end_play(&first, &here);
    end_play(&second, &there);
}

static void a_clock_that_goes_wrong_is_corrected_once(void)
{
    struct http_fixture server;
    char headers[80], date[40], day[12];
    time_t then = time(NULL) + 5 * 86400;
    struct tm parts;
    gmtime_r(&then, &parts);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    strftime(day, sizeof day, "%Y%m%d", &parts);
    snprintf(headers, sizeof headers, "Date: %s\r\n", date);
    struct play play = {.status = "403 Forbidden",
                        .headers = headers,
                        .body = XML("RequestTimeTooSkewed", ""),
                        .refusals = 1000,
                        .unless = day};
    start_play(&server, &play);
    ccol_s3_options options = given_options(server.url);
    ccol_storage *storage = open_storage(&options);
    ccol_error err = {0};
    CHECK(ccol_storage_verify(storage, &err) < 0); /* at the start it is refused */
    CHECK(strstr(err.text, "clock is wrong"));
    unsigned before = play.count;
    CHECK_INT(put(storage, NULL), 0);
    CHECK_INT(put(storage, NULL), 0);
    CHECK_INT(play.count, before + 3);
    CHECK(strstr(s3_log, "clock"));
    ccol_storage_unref(storage);
    end_play(&server, &play);
}

static void write_profile(const char *id)
{
    char path[256];
    FILE *file = fopen(fixture_path(path, "credentials"), "w");
    REQUIRE(file);
    fprintf(file, "[default]\naws_access_key_id = %s\naws_secret_access_key = very-secret\n", id);
    fclose(file);
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
}

/* The keys of the file are replaced behind our back. So that they are not too new to be looked for again, the first
 * request comes when the storage has no keys yet, and the refusal is its first answer. */
static void expired_keys_are_renewed_once(void)
{
    struct http_fixture server;
    struct play play = {
        .status = "400 Bad Request", .body = XML("ExpiredToken", ""), .refusals = 1000, .unless = "Credential=NEW/"};
    start_play(&server, &play);
    unsetenv("AWS_ACCESS_KEY_ID");
    setenv("AWS_CONFIG_FILE", "/dev/null", 1);
    write_profile("OLD");
    ccol_s3_options options = given_options(server.url);
    options.access_key_id = options.secret_access_key = NULL;
    ccol_storage *storage = open_storage(&options);
    ccol_error err = {0};
    CHECK(put(storage, &err) < 0);
    CHECK(strstr(err.text, "session token has expired"));
    write_profile("NEW");
    uint64_t deadline = ccol__clock_monotonic_ms() + FIXTURE_DEADLINE_S * 1000;
    while (put(storage, &err) < 0) { /* they are read again when the old ones are some seconds old */
        REQUIRE(ccol__clock_monotonic_ms() < deadline && play.count < HEADS_MAX - 4);
        const struct timespec pause = {.tv_nsec = 200000000};
        nanosleep(&pause, NULL);
    }
    CHECK(strstr(play.heads[play.count - 1], "Credential=NEW/"));
    CHECK(!strstr(s3_log, "very-secret"));
    ccol_storage_unref(storage);
    end_play(&server, &play);
}

static void puts_carry_what_was_asked_for(void)
{
    struct http_fixture server;
    struct play play = {0};
    start_play(&server, &play);
    ccol_s3_options options = given_options(server.url);
    options.server_side_encryption = "aws:kms";
    options.kms_key_id = "key-1";
    options.storage_class = "STANDARD_IA";
    options.headers = " x-amz-acl : bucket-owner-full-control ;\nX-Amz-Tagging: a=b&c=d;";
    options.session_token = "a-token";
    ccol_storage *storage = open_storage(&options);
    CHECK_INT(put(storage, NULL), 0);
    static const char *const wanted[] = {
        "PUT /bucket/a/key HTTP/1.1",
        "x-amz-server-side-encryption: aws:kms\r\n",
        "x-amz-server-side-encryption-aws-kms-key-id: key-1\r\n",
        "x-amz-storage-class: STANDARD_IA\r\n",
        "x-amz-acl: bucket-owner-full-control\r\n",
        "X-Amz-Tagging: a=b&c=d\r\n",
        "X-Amz-Security-Token: a-token\r\n",
        "X-Amz-Content-Sha256: 230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5\r\n",
        "SignedHeaders=host;x-amz-acl;x-amz-content-sha256;x-amz-date;x-amz-security-"
        "token;x-amz-server-side-encryption;x-amz-server-side-encryption-aws-kms-key-"
        "id;x-amz-storage-class;x-amz-tagging,"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (!strstr(play.heads[0], wanted[i])) CHECK_TEXT(play.heads[0], wanted[i]);
    }
    CHECK_INT(ccol_storage_check(storage, NULL), 0); /* and others do not */
    CHECK(strncmp(play.heads[1], "HEAD /bucket HTTP/1.1", 21) == 0 && !strstr(play.heads[1], "x-amz-acl"));
    ccol_storage_unref(storage);
    end_play(&server, &play);
}

static void a_name_that_would_be_taken_is_refused_for_good(void)
{
    struct http_fixture server;
    struct play play = {0};
    start_play(&server, &play);
    ccol_s3_options options = given_options(server.url);
    ccol_storage *storage = open_storage(&options);
    ccol_report *report = ccol_report_new();
    ccol_error err = {0};
    CHECK_INT(ccol_report_add_file(report, "upload_file_minidump", "a", 1), 0);
    CHECK_INT(ccol_report_add_file(report, "dump", "b", 1), 0);
    CHECK_INT(ccol_storage_save(storage, report, &err), CCOL_EREJECTED);
    CHECK(strstr(err.text, "the same key"));
    CHECK_INT(play.count, 0);
    ccol_report_unref(report);
    ccol_storage_unref(storage);
    end_play(&server, &play);
}

#define KEY_OF(id) "<Contents><Key>v2/raw_crash/de1/20160918/" id "</Key><Size>1</Size></Contents>"

/* Two pages, with what is no crash among it. */
static bool answer_list(struct http_exchange *exchange)
{
    if (strstr(exchange->head, "continuation-token=a%2Bb%3D&list-type=2&prefix=v2%2Fraw_crash%2F "))
        return http_answer(exchange, "200 OK", "",
                           "<ListBucketResult>" KEY_OF("22222222-cbbf-4589-a673-34f800160918") "</ListBucketResult>");
    CHECK(strstr(exchange->head, "GET /bucket?list-type=2&prefix=v2%2Fraw_crash%2F "));
    return http_answer(exchange, "200 OK", "",
                       "<ListBucketResult><NextContinuationToken>a+b=</NextContinuationToken>"
                       "<Contents><Key>v2/raw_crash/de1/20160918/no-id</Key></Contents>" KEY_OF(
                           "11111111-cbbf-4589-a673-34f800160918") "</ListBucketResult>");
}

static int count_ids(void *user, const char *crash_id)
{
    int *count = user;
    CHECK(strcmp(crash_id + 8, "-cbbf-4589-a673-34f800160918") == 0);
    ++*count;
    return 0;
}

static int stop_at_once(void *user, const char *crash_id)
{
    (void)user, (void)crash_id;
    return 42;
}

static void lists_have_pages(void)
{
    struct http_fixture server;
    http_fixture_start(&server, answer_list, NULL);
    ccol_s3_options options = given_options(server.url);
    ccol_storage *storage = open_storage(&options);
    int count = 0;
    CHECK_INT(ccol_storage_list(storage, count_ids, &count, NULL), 0);
    CHECK_INT(count, 2);
    CHECK_INT(ccol_storage_list(storage, stop_at_once, NULL, NULL), 42);
    ccol_storage_unref(storage);
    http_fixture_stop(&server);
}

/* Keys that may write but not look: the start is fine, and HEAD's 403 is no illness. */
static bool refuse_head(struct http_exchange *exchange)
{
    bool head = strncmp(exchange->head, "HEAD ", 5) == 0;
    return http_answer(exchange, head ? "403 Forbidden" : "200 OK", "", "");
}

static void keys_that_only_write_are_enough(void)
{
    struct http_fixture server;
    http_fixture_start(&server, refuse_head, NULL);
    ccol_s3_options options = given_options(server.url);
    ccol_storage *storage = open_storage(&options);
    CHECK(ccol_storage_check(storage, NULL) < 0);
    CHECK_INT(ccol_storage_verify(storage, NULL), 0);
    CHECK(strstr(s3_log, "s3:ListBucket"));
    CHECK_INT(ccol_storage_check(storage, NULL), 0);
    ccol_storage_unref(storage);
    http_fixture_stop(&server);
}

static void nobody_there_is_told_at_the_start(void)
{
    ccol_error err = {0};
    ccol_s3_options options = given_options("http://127.0.0.1:1");
    ccol_storage *storage = open_storage(&options);
    CHECK_INT(ccol_storage_verify(storage, &err), -ECONNREFUSED);
    CHECK(strstr(err.text, "127.0.0.1:1"));
    ccol_storage_unref(storage);
}

int main(void)
{
    fixture_fresh("test_s3_storage");
    RUN(what_passes_soon_is_tried_again);
    RUN(what_does_not_is_left_to_the_queue);
    RUN(another_region_is_learnt_once);
    RUN(a_region_that_is_none_is_not_believed);
    RUN(a_redirect_is_followed_signed_anew_and_forgotten);
    RUN(a_clock_that_goes_wrong_is_corrected_once);
    RUN(expired_keys_are_renewed_once);
    RUN(puts_carry_what_was_asked_for);
    RUN(a_name_that_would_be_taken_is_refused_for_good);
    RUN(lists_have_pages);
    RUN(keys_that_only_write_are_enough);
    RUN(nobody_there_is_told_at_the_start);
    fixture_remove();
    return check_done();
}
