/* SPDX-License-Identifier: MIT */
/* Every allocation of a scenario fails once: first the 1st, then the 2nd, and so on until the scenario needs no more.
 * Whatever fails, the calls answer with an error and a later free leaves nothing behind (the sanitizers look).
 * malloc and friends are wrapped by the linker (--wrap), so only the library's own and this file's allocations fail. */
#include <crashcollect.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../unit/http_fixture.h"

#define MOST_ALLOCATIONS 20000
#define DRAIN_MS         5000

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
int __real_posix_memalign(void **out, size_t alignment, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);
int __wrap_posix_memalign(void **out, size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static atomic_long countdown; /* 0: nothing fails */
static atomic_bool failed;

static bool fails(void)
{
    if (atomic_load(&countdown) <= 0 || atomic_fetch_sub(&countdown, 1) != 1) return false;
    atomic_store(&failed, true);
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(old, count, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length)
{
    return fails() ? NULL : __real_strndup(text, length);
}

int __wrap_posix_memalign(void **out, size_t alignment, size_t size)
{
    return fails() ? ENOMEM : __real_posix_memalign(out, alignment, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

static char folder[64];
static atomic_int saves, destroyed;

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int count_save(void *self, const ccol_report *report, ccol_error *err)
{
    (void)self;
    (void)err;
    size_t length = 0;
    if (ccol_report_json(report, &length) && length) atomic_fetch_add(&saves, 1);
    return 0;
}

static void count_destroy(void *self)
{
    (void)self;
    atomic_fetch_add(&destroyed, 1);
}

static const ccol_storage_ops storage_ops = {
    .size = sizeof(storage_ops), .name = "counting", .save = count_save, .destroy = count_destroy};

/* One HTTP upload with a JSON part, a field and a dump. True if it was accepted. */
static bool upload(ccol_collector *collector)
{
    static const char body[] =
        "--b\r\nContent-Disposition: form-data; name=\"extra\"\r\n"
        "Content-Type: application/json\r\n\r\n{\"ProductName\":\"Test\",\"List\":[1,{\"a\":null}]}\r\n"
        "--b\r\nContent-Disposition: form-data; name=\"Version\"\r\n\r\n1.0\r\n"
        "--b\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; filename=\"d\"\r\n"
        "Content-Type: application/octet-stream\r\n\r\nMDMP\r\n--b--\r\n";
    ccol_error err = {0};
    ccol_upload *upload = NULL;
    ccol_upload_info info = {.size = sizeof(info),
                             .content_type = "multipart/form-data; boundary=b",
                             .user_agent = "test",
                             .content_length = sizeof(body) - 1};
    if (ccol_upload_new(&upload, collector, &info, NULL, &err)) {
        CHECK(err.code < 0);
        return false;
    }
    for (size_t i = 0; i < sizeof(body) - 1; i += 50) {
        size_t rest = sizeof(body) - 1 - i;
        if (ccol_upload_feed(upload, body + i, rest < 50 ? rest : 50)) break;
    }
    ccol_reply reply = {.size = sizeof(reply)};
    ccol_upload_finish(upload, &reply);
    bool accepted = reply.status == 200;
    CHECK(accepted || reply.status == 503 || reply.status == 500);
    ccol_reply_clear(&reply);
    ccol_upload_free(upload);
    return accepted;
}

static bool submit(ccol_collector *collector)
{
    ccol_error err = {0};
    ccol_report *report = ccol_report_new();
    if (!report) return false;
    bool accepted = ccol_report_annotate(report, "ProductName", "Test") == 0 &&
                    ccol_report_add_file(report, "upload_file_minidump", "MDMP", 4) == 0 &&
                    ccol_collector_submit(collector, report, NULL, &err) == 0;
    ccol_report_unref(report);
    return accepted;
}

static bool ask_health(ccol_collector *collector)
{
    ccol_error err = {0};
    ccol_health *health = NULL;
    ccol_health_options options = {.size = sizeof(options)};
    if (ccol_health_new(&health, collector, &options, &err)) return false;
    bool answered = true;
    static const char *const paths[] = {"/__heartbeat__", "/__version__", "/metrics"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        ccol_reply reply = {.size = sizeof(reply)};
        ccol_health_request request = {.size = sizeof(request), .method = "GET", .path = paths[i]};
        CHECK(ccol_health_answer(health, &request, &reply));
        answered = answered && reply.status == 200;
        ccol_reply_clear(&reply);
    }
    ccol_health_free(health);
    return answered;
}

/* The scenario; true if all of it succeeded. */
static bool scenario(bool spooled)
{
    ccol_error err = {0};
    ccol_storage *storage = NULL;
    ccol_collector *collector = NULL;
    if (ccol_storage_new(&storage, &storage_ops, NULL, &err)) return false;
    ccol_collector_options options = {.size = sizeof(options),
                                      .storage = storage,
                                      .ack = spooled ? CCOL_ACK_SPOOLED : CCOL_ACK_QUEUED,
                                      .spool_dir = spooled ? folder : NULL,
                                      .spool_segment_bytes = UINT64_C(1) << 20,
                                      .crashmovers = 1,
                                      .retry_first_ms = 1,
                                      .retry_max_ms = 2};
    int code = ccol_collector_new(&collector, &options, &err);
    ccol_storage_unref(storage);
    if (code) {
        CHECK(err.text[0]);
        return false;
    }
    int before = atomic_load(&saves), accepted = 0;
    accepted += upload(collector);
    accepted += submit(collector);
    bool healthy = ask_health(collector);
    /* what was accepted is saved, whatever failed on the way */
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    CHECK_INT(atomic_load(&saves) - before, accepted);
    ccol_collector_free(collector);
    return accepted == 2 && healthy;
}

/* A far end for all of them, in a process of its own, where no allocation fails. */
static bool answer_s3(struct http_exchange *exchange)
{
    static const char list[] = "<ListBucketResult><Contents><Key>v2/raw_crash/de1/20160918/de1bb258-cbbf-4589-a673-"
                               "34f800160918</Key></Contents></ListBucketResult>";
    if (strncmp(exchange->head, "POST /submit ", 13) == 0)
        return http_answer(exchange, "200 OK", "", "CrashID=bp-de1bb258-cbbf-4589-a673-34f800160918\n");
    if (strncmp(exchange->head, "POST /queue/", 12) == 0)
        return http_answer(exchange, "200 OK", "", "{\"QueueUrl\": \"http://localhost/1/crashids\"}");
    return http_answer(exchange, "200 OK", "", strncmp(exchange->head, "GET ", 4) == 0 ? list : "");
}

static char s3_url[64];

static pid_t start_s3(void)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct http_fixture server;
        http_fixture_start(&server, answer_s3, NULL);
        if (write(ends[1], server.url, sizeof server.url) != (ssize_t)sizeof server.url) _exit(1);
        for (;;)
            pause();
    }
    REQUIRE(read(ends[0], s3_url, sizeof s3_url) == (ssize_t)sizeof s3_url);
    close(ends[0]);
    close(ends[1]);
    return child;
}

static int count_id(void *user, const char *crash_id)
{
    *(int *)user += crash_id[0] == 'd';
    return 0;
}

/* The keys come from the environment, so that what looks for them is in it too. */
static bool use_bucket(void)
{
    ccol_error err = {0};
    ccol_storage *storage = NULL;
    int ids = 0;
    ccol_s3_options options = {.size = sizeof(options),
                               .bucket = "bucket",
                               .endpoint_url = s3_url,
                               .storage_class = "STANDARD_IA",
                               .headers = "x-amz-acl: private",
                               .proxy = "off"};
    int code = ccol_storage_new_s3(&storage, &options, &err);
    if (!code) code = ccol_storage_verify(storage, &err);
    if (!code) code = ccol_storage_check(storage, &err);
    if (!code) code = ccol_storage_list(storage, count_id, &ids, &err);
    ccol_storage_unref(storage);
    CHECK(code <= 0 && (code == 0) == (err.code == 0) && (code == 0 || err.text[0]));
    CHECK(!strstr(err.text, "very-secret"));
    CHECK(code || ids == 1);
    return code == 0;
}

static bool publish_by(ccol_publisher *publisher, int code, ccol_error *err)
{
    if (!code) code = ccol_publisher_verify(publisher, err);
    if (!code) code = ccol_publisher_publish(publisher, "de1bb258-cbbf-4589-a673-34f800160918", err);
    if (!code) code = ccol_publisher_check(publisher, err);
    ccol_publisher_unref(publisher);
    CHECK(code <= 0 && (code == 0 || (err->code && err->text[0]))); /* verify lets pass what may come back */
    CHECK(!strstr(err->text, "very-secret"));
    return code == 0;
}

static bool use_webhook(void)
{
    ccol_error err = {0};
    ccol_publisher *publisher = NULL;
    const ccol_webhook_options options = {
        .size = sizeof(options), .url = s3_url, .secret = "very-secret", .proxy = "off"};
    int code = ccol_publisher_new_webhook(&publisher, &options, &err);
    return publish_by(publisher, code, &err);
}

static bool use_sqs(void)
{
    char endpoint[sizeof s3_url + 8];
    ccol_error err = {0};
    ccol_publisher *publisher = NULL;
    snprintf(endpoint, sizeof endpoint, "%s/queue/", s3_url);
    const ccol_sqs_options options = {
        .size = sizeof(options), .queue = "crashids", .endpoint_url = endpoint, .proxy = "off"};
    int code = ccol_publisher_new_sqs(&publisher, &options, &err);
    return publish_by(publisher, code, &err);
}

static bool use_pubsub(void)
{
    ccol_error err = {0};
    ccol_publisher *publisher = NULL;
    const ccol_pubsub_options options = {.size = sizeof(options),
                                         .topic = "t",
                                         .project = "p",
                                         .emulator_host = s3_url + strlen("http://"),
                                         .proxy = "off"};
    int code = ccol_publisher_new_pubsub(&publisher, &options, &err);
    return publish_by(publisher, code, &err);
}

static bool use_upstream(void)
{
    char url[sizeof s3_url + 8];
    ccol_error err = {0};
    ccol_storage *storage = NULL;
    ccol_report *report = ccol_report_new();
    snprintf(url, sizeof url, "%s/submit", s3_url);
    const ccol_upstream_options options = {.size = sizeof(options), .url = url, .proxy = "off", .gzip = true};
    int code = report ? 0 : ccol_fail(&err, -ENOMEM, "no report");
    if (!code && (code = ccol_report_annotate(report, "ProductName", "Test"))) ccol_fail(&err, code, "no annotation");
    if (!code && (code = ccol_report_add_file(report, "dump", "MDMP", 4))) ccol_fail(&err, code, "no file");
    if (!code) code = ccol_storage_new_upstream(&storage, &options, &err);
    if (!code) code = ccol_storage_verify(storage, &err);
    if (!code) code = ccol_storage_save(storage, report, &err);
    ccol_storage_unref(storage);
    ccol_report_unref(report);
    CHECK(code <= 0 && (code == 0 || (err.code && err.text[0])));
    return code == 0;
}

static void each_in(const char *name, bool (*use)(void))
{
    long n = 0;
    bool complete = false;
    while (!complete && n < MOST_ALLOCATIONS && !check_failures) {
        atomic_store(&failed, false);
        atomic_store(&countdown, ++n);
        complete = use() && !atomic_load(&failed);
        atomic_store(&countdown, 0);
        if (check_failures) fprintf(stderr, "%s: when allocation %ld failed\n", name, n);
    }
    CHECK(complete);
    CHECK(n > 5);
    printf("%s: %ld allocations, each failed once\n", name, n - 1);
}

static void what_speaks_http(void)
{
    each_in("s3", use_bucket);
    each_in("upstream", use_upstream);
    each_in("webhook", use_webhook);
    each_in("sqs", use_sqs);
    each_in("pubsub", use_pubsub);
}

static void fail_each(bool spooled)
{
    long n = 0;
    bool complete = false;
    while (!complete && n < MOST_ALLOCATIONS && !check_failures) {
        remove_folder();
        mkdir(folder, 0700);
        atomic_store(&failed, false);
        atomic_store(&destroyed, 0);
        atomic_store(&countdown, ++n);
        complete = scenario(spooled) && !atomic_load(&failed);
        atomic_store(&countdown, 0);
        if (check_failures) fprintf(stderr, "when allocation %ld failed\n", n);
    }
    CHECK(complete);
    CHECK_INT(atomic_load(&destroyed), 1);
    CHECK(n > 20); /* else nothing was tried */
    printf("%s: %ld allocations, each failed once\n", spooled ? "spooled" : "queued", n - 1);
}

static void queued(void)
{
    fail_each(false);
}

static void spooled(void)
{
    fail_each(true);
}

int main(void)
{
    snprintf(folder, sizeof(folder), "/tmp/ccol-alloc-XXXXXX");
    REQUIRE(mkdtemp(folder));
    atomic_store(&countdown, 0);
    pid_t s3 = start_s3();
    setenv("AWS_ACCESS_KEY_ID", "ID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "very-secret", 1);
    bool works = scenario(false) && scenario(true) && use_bucket(); /* what is allocated once per process */
    REQUIRE(works);
    RUN(queued);
    RUN(spooled);
    RUN(what_speaks_http);
    kill(s3, SIGKILL);
    waitpid(s3, NULL, 0);
    remove_folder();
    return check_done();
}
