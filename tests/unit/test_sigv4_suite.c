/* SPDX-License-Identifier: MIT */
/* AWS's published cases of Signature Version 4, read where they lie: canonical request, signature and the Authorization
 * header must be equal byte for byte. */
#include <dirent.h>
#include <fcntl.h>
#include <strings.h>

#include "base/clock.h"
#include "base/folder.h"
#include "base/json.h"
#include "net/sigv4.h"

#include "check.h"

#define HEADERS_MAX  16
#define FILE_MAX     65536
#define SKIPPED      77
#define CASES_WANTED 38

struct suite_case {
    char *request, *context, *canonical, *signed_request; /* the files */
    char method[8], *target, *host, *body;
    struct http_header headers[HEADERS_MAX];
    size_t header_count;
    struct arena arena;
    const struct json *settings;
};

static char *read_text(const char *folder, const char *name)
{
    char path[512];
    struct buffer text;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    REQUIRE(ccol__file_read(AT_FDCWD, path, FILE_MAX, &text, NULL) == 0);
    return text.data;
}

/* Splits the next header off, whose value may go on in lines that begin with a blank. */
static char *next_header(char *line, struct http_header *out)
{
    char *end = strchr(line, '\n');
    while (end && (end[1] == ' ' || end[1] == '\t'))
        end = strchr(end + 1, '\n');
    if (end) *end = '\0';
    char *colon = strchr(line, ':');
    REQUIRE(colon);
    *colon = '\0';
    *out = (struct http_header){line, colon + 1};
    return end ? end + 1 : line + strlen(line);
}

static void parse_request(struct suite_case *it)
{
    char *end = strchr(it->request, '\n');
    REQUIRE(end && sscanf(it->request, "%7s", it->method) == 1);
    *end = '\0';
    char *version = strrchr(it->request, ' ');
    REQUIRE(version);
    *version = '\0';
    it->target = it->request + strlen(it->method) + 1;
    char *line = end + 1;
    while (*line && *line != '\n') {
        struct http_header header;
        line = next_header(line, &header);
        if (strcasecmp(header.name, "host") == 0)
            it->host = (char *)(size_t)header.value;
        else
            it->headers[it->header_count++] = header;
        REQUIRE(it->header_count < HEADERS_MAX);
    }
    it->body = *line == '\n' ? line + 1 : line;
}

static const char *setting(const struct suite_case *it, const char *name)
{
    const struct json *member = ccol__json_member(it->settings, name);
    return member && member->type == JSON_STRING ? member->text : "";
}

static bool is_set(const struct suite_case *it, const char *name)
{
    const struct json *member = ccol__json_member(it->settings, name);
    return member && member->type == JSON_TRUE;
}

static void parse_context(struct suite_case *it)
{
    const struct json_limits limits = {.depth = 10, .number_length = 20};
    struct json *root;
    ccol__arena_init(&it->arena, NULL);
    REQUIRE(ccol__json_parse(&it->arena, it->context, strlen(it->context), &limits, &root, NULL) == 0);
    it->settings = root;
}

static int64_t timestamp_of(const struct suite_case *it)
{
    int year, month, day, hour, minute, second;
    REQUIRE(sscanf(setting(it, "timestamp"), "%d-%d-%dT%d:%d:%dZ", &year, &month, &day, &hour, &minute, &second) == 6);
    return ((ccol__clock_days(year, month, day) * 24 + hour) * 60 + minute) * 60000000 + second * INT64_C(1000000);
}

static void compare(const struct suite_case *it, const struct sigv4_request *request, const struct sigv4_keys *keys)
{
    struct http_header all[SIGV4_HEADERS_MAX + 1];
    struct sigv4 signer = {0};
    struct sigv4_headers out;
    struct buffer canonical;
    ccol__sigv4_init(&signer);
    REQUIRE(ccol__sigv4_sign(&signer, request, keys, &out) == 0);
    const char *authorization = out.list[out.count - 1].value;
    size_t signed_count = out.count - 1 - (request->token_unsigned ? 1 : 0);
    memcpy(all, out.list, signed_count * sizeof all[0]);
    all[signed_count] = (struct http_header){"Host", it->host};
    ccol__buffer_init(&canonical, FILE_MAX, NULL);
    ccol__sigv4_canonical(&canonical, request, all, signed_count + 1);
    CHECK_TEXT(canonical.data, it->canonical);

    const char *wanted = strstr(it->signed_request, "Authorization:");
    REQUIRE(wanted);
    wanted += strlen("Authorization:");
    size_t length = strcspn(wanted, "\n");
    CHECK(strlen(authorization) == length && memcmp(authorization, wanted, length) == 0);
    ccol__buffer_fini(&canonical);
    ccol__sigv4_headers_fini(&out);
    ccol__sigv4_fini(&signer);
}

static void run_case(const char *folder)
{
    char url[4096], hash[2 * SHA256_BYTES + 1];
    struct suite_case it = {.request = read_text(folder, "request.txt"),
                            .context = read_text(folder, "context.json"),
                            .canonical = read_text(folder, "header-canonical-request.txt"),
                            .signed_request = read_text(folder, "header-signed-request.txt")};
    parse_request(&it);
    parse_context(&it);
    snprintf(url, sizeof url, "https://%s%s", it.host, it.target);
    REQUIRE(ccol__sigv4_payload_hash(hash, it.body, strlen(it.body)));
    const struct json *credentials = ccol__json_member(it.settings, "credentials");
    const struct json *token = ccol__json_member(credentials, "token");
    struct sigv4_keys keys = {.access_key_id = ccol__json_member(credentials, "access_key_id")->text,
                              .secret = ccol__json_member(credentials, "secret_access_key")->text,
                              .session_token = token ? token->text : NULL};
    struct sigv4_request request = {.method = it.method,
                                    .url = url,
                                    .region = setting(&it, "region"),
                                    .service = setting(&it, "service"),
                                    .headers = it.headers,
                                    .header_count = it.header_count,
                                    .payload_hash = hash,
                                    .now_us = timestamp_of(&it),
                                    .path_as_is = !is_set(&it, "normalize"),
                                    .payload_header = is_set(&it, "sign_body"),
                                    .token_unsigned = is_set(&it, "omit_session_token")};
    compare(&it, &request, &keys);
    ccol__arena_fini(&it.arena);
    free(it.request);
    free(it.context);
    free(it.canonical);
    free(it.signed_request);
}

int main(void)
{
    const char *root = CCOL_SHARED_DATA "/aws-sigv4";
    DIR *folder = opendir(root);
    if (!folder) {
        const char *ci = getenv("CI");
        bool must = ci && strcmp(ci, "true") == 0;
        fprintf(stderr, "%s: AWS's signing cases are not at %s\n", must ? "failed" : "skipped", root);
        return must ? 1 : SKIPPED;
    }
    int cases = 0, passed = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[512];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", root, entry->d_name);
        int failures = check_failures;
        check_case = entry->d_name;
        run_case(path);
        cases++;
        passed += check_failures == failures;
    }
    closedir(folder);
    check_case = "suite";
    CHECK_INT(cases, CASES_WANTED);
    printf("AWS's signing cases: %d of %d passed\n", passed, cases);
    return check_done();
}
