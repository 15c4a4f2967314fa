/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <strings.h>
#include <time.h>

#include "net/http_client.h"

#include "http_fixture.h"

#define THREADS       8
#define THREAD_ROUNDS 50

static struct http_client *new_client(void)
{
    struct http_client *client = NULL;
    struct http_client_options options = {.proxy = "off"};
    REQUIRE(ccol__http_client_new(&client, &options, NULL) == 0);
    return client;
}

static int get(struct http_client *client, const char *url, struct http_response *response, ccol_error *err)
{
    struct http_request request = {.method = "GET", .url = url};
    return ccol__http_client_perform(client, &request, response, err);
}

/* Sends the request's own head back, with a mark for each thing to look at. */
static bool echo(struct http_exchange *exchange)
{
    char body[4096];
    snprintf(body, sizeof body, "%s|%.*s", exchange->head, (int)exchange->body_length, exchange->body);
    return http_answer(exchange, "200 OK", "X-One: first\r\nx-tWo:   second \r\nX-Empty:\r\n", body);
}

static void a_request_goes_out_as_given(void)
{
    struct http_fixture server;
    struct http_response response;
    char url[128], host[64];
    http_fixture_start(&server, echo, NULL);
    struct http_client *client = new_client();
    const struct http_header headers[] = {{"X-Name", "a value"}, {"X-Blank", ""}};
    struct http_piece body[] = {{"one ", 4}, {NULL, 0}, {"two ", 4}, {"three", 5}};
    snprintf(url, sizeof url, "%s/a/../b//./c%%20d?x=1&y", server.url);
    struct http_request request = {
        .method = "PUT", .url = url, .headers = headers, .header_count = 2, .body = body, .body_count = 4};
    REQUIRE(ccol__http_client_perform(client, &request, &response, NULL) == 0);
    CHECK_INT(response.status, 200);
    const char *text = response.body.data;
    snprintf(host, sizeof host, "\r\nHost: 127.0.0.1:%u\r\n", server.port);
    CHECK(strncmp(text, "PUT /a/../b//./c%20d?x=1&y HTTP/1.1\r\n", 37) == 0);
    CHECK(strstr(text, host));
    CHECK(strstr(text, "\r\nX-Name: a value\r\n"));
    CHECK(strstr(text, "\r\nX-Blank:\r\n"));
    CHECK(strstr(text, "\r\nContent-Length: 13\r\n"));
    CHECK(strstr(text, "\r\nUser-Agent: libcrashcollect/"));
    CHECK(strstr(text, "|one two three"));
    CHECK(!strcasestr(text, "expect:") && !strcasestr(text, "content-type:") && !strcasestr(text, "chunked"));
    CHECK_TEXT(ccol__http_response_header(&response, "x-one"), "first");
    CHECK_TEXT(ccol__http_response_header(&response, "X-TWO"), "second");
    CHECK_TEXT(ccol__http_response_header(&response, "X-Empty"), "");
    CHECK(!ccol__http_response_header(&response, "X-On"));
    ccol__http_response_fini(&response);
    ccol__http_client_free(client);
    http_fixture_stop(&server);
}

static void methods_have_the_bodies_they_should(void)
{
    static const char *const methods[] = {"GET", "DELETE", "POST", "PUT"};
    struct http_fixture server;
    http_fixture_start(&server, echo, NULL);
    struct http_client *client = new_client();
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct http_response response;
        struct http_request request = {.method = methods[i], .url = server.url};
        REQUIRE(ccol__http_client_perform(client, &request, &response, NULL) == 0);
        CHECK(strncmp(response.body.data, methods[i], strlen(methods[i])) == 0);
        CHECK_INT(strstr(response.body.data, "Content-Length: 0\r\n") != NULL, i >= 2);
        ccol__http_response_fini(&response);
    }
    ccol__http_client_free(client);
    http_fixture_stop(&server);
}

static bool answer_head(struct http_exchange *exchange)
{
    CHECK(strncmp(exchange->head, "HEAD /x HTTP/1.1\r\n", 18) == 0);
    static const char text[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 200\r\nX-Region: eu\r\n\r\n";
    http_send(exchange, text, sizeof text - 1);
    return true;
}

static void a_head_has_headers_alone(void)
{
    struct http_fixture server;
    struct http_response response;
    char url[80];
    http_fixture_start(&server, answer_head, NULL);
    struct http_client *client = new_client();
    snprintf(url, sizeof url, "%s/x", server.url);
    struct http_request request = {.method = "HEAD", .url = url};
    for (int i = 0; i < 2; i++) {
        REQUIRE(ccol__http_client_perform(client, &request, &response, NULL) == 0);
        CHECK_INT(response.status, 403);
        CHECK_INT(response.body.length, 0);
        CHECK_TEXT(ccol__http_response_header(&response, "x-region"), "eu");
        ccol__http_response_fini(&response);
    }
    CHECK_INT(server.connections, 1);
    ccol__http_client_free(client);
    http_fixture_stop(&server);
}

/* The first connection answers once and then dies under the next request, in one of two ways. */
static bool die_under_reuse(struct http_exchange *exchange)
{
    if (exchange->connection > 0 || exchange->request == 0) return echo(exchange);
    return exchange->user ? http_reset(exchange) : false;
}

static void a_dead_connection_is_replaced(void)
{
    static int reset;
    for (int round = 0; round < 2; round++) {
        struct http_fixture server;
        struct http_response response;
        http_fixture_start(&server, die_under_reuse, round ? &reset : NULL);
        struct http_client *client = new_client();
        REQUIRE(get(client, server.url, &response, NULL) == 0);
        ccol__http_response_fini(&response);
        char *large = malloc(300000);
        memset(large, 'x', 300000);
        struct http_piece body[] = {{"begin", 5}, {large, 300000}, {"end", 3}};
        struct http_request request = {.method = "PUT", .url = server.url, .body = body, .body_count = 3};
        CHECK_INT(ccol__http_client_perform(client, &request, &response, NULL), 0);
        CHECK_INT(response.status, 200);
        CHECK(response.body.data && strstr(response.body.data, "|begin"));
        ccol__http_response_fini(&response);
        CHECK_INT(server.connections, 2);
        CHECK_INT(server.requests, 3);
        free(large);
        ccol__http_client_free(client);
        http_fixture_stop(&server);
    }
}

static bool hang(struct http_exchange *exchange)
{
    char byte;
    while (recv(exchange->fd, &byte, 1, 0) > 0)
        ;
    return false;
}

static void waits_end(void)
{
    struct http_fixture server;
    struct http_response response;
    ccol_error err = {0};
    http_fixture_start(&server, hang, NULL);
    struct http_client *client = new_client();
    struct http_request request = {.method = "GET", .url = server.url, .total_ms = 100};
    CHECK_INT(ccol__http_client_perform(client, &request, &response, &err), -ETIMEDOUT);
    CHECK_INT(err.code, -ETIMEDOUT);
    CHECK(strstr(err.text, server.url) && strstr(err.text, "timed out"));
    request = (struct http_request){.method = "PUT", .url = server.url, .stall_s = 1};
    CHECK_INT(ccol__http_client_perform(client, &request, &response, &err), -ETIMEDOUT);
    CHECK(strstr(err.text, "too slow"));
    ccol__http_client_free(client);
    http_fixture_stop(&server);
}

static bool cut_off(struct http_exchange *exchange)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this";
    http_send(exchange, text, sizeof text - 1);
    return false;
}

static void failures_are_named(void)
{
    struct http_fixture server;
    struct http_response response;
    ccol_error err = {0};
    char url[128];
    http_fixture_start(&server, cut_off, NULL);
    struct http_client *client = new_client();
    snprintf(url, sizeof url, "%s/secret/path?token=secret", server.url);
    CHECK_INT(get(client, url, &response, &err), -ECONNRESET);
    CHECK(strstr(err.text, server.url) && !strstr(err.text, "secret"));
    http_fixture_stop(&server);
    CHECK_INT(get(client, url, &response, &err), -ECONNREFUSED);
    CHECK(!strstr(err.text, "secret") && !ccol_error_is_permanent(err.code));
    CHECK_INT(get(client, "http://no-such-host.invalid/secret", &response, &err), -EHOSTUNREACH);
    CHECK(strstr(err.text, "no-such-host.invalid") && !strstr(err.text, "secret"));
    CHECK_INT(get(client, "file:///etc/hostname", &response, &err), -EINVAL);
    CHECK_INT(get(client, "ftp://127.0.0.1/", &response, &err), -EINVAL);
    ccol__http_client_free(client);
}

static bool answer_large(struct http_exchange *exchange)
{
    char text[6000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    return http_answer(exchange, "200 OK", "", text);
}

static void answers_have_a_ceiling(void)
{
    struct http_fixture server;
    struct http_response response;
    ccol_error err = {0};
    http_fixture_start(&server, answer_large, NULL);
    struct http_client *client = new_client();
    struct http_request request = {.method = "GET", .url = server.url, .response_max = 5998};
    CHECK_INT(ccol__http_client_perform(client, &request, &response, &err), CCOL_EREMOTE);
    CHECK(strstr(err.text, "larger than 5998 bytes"));
    request.response_max = 5999;
    REQUIRE(ccol__http_client_perform(client, &request, &response, &err) == 0);
    CHECK_INT(response.body.length, 5999);
    ccol__http_response_fini(&response);
    ccol__http_client_free(client);
    http_fixture_stop(&server);
}

static bool answer_many_headers(struct http_exchange *exchange)
{
    static const char line[] = "X-Filler: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n";
    http_send(exchange, "HTTP/1.1 200 OK\r\n", 17);
    for (int i = 0; i < 2000; i++)
        http_send(exchange, line, sizeof line - 1);
    http_send(exchange, "Content-Length: 0\r\n\r\n", 21);
    return true;
}

static void headers_have_a_ceiling(void)
{
    struct http_fixture server;
    struct http_response response;
    ccol_error err = {0};
    http_fixture_start(&server, answer_many_headers, NULL);
    struct http_client *client = new_client();
    CHECK_INT(get(client, server.url, &response, &err), CCOL_EREMOTE);
    CHECK(strstr(err.text, "headers") && strstr(err.text, server.url));
    ccol__http_client_free(client);
    http_fixture_stop(&server);
}

static bool redirect(struct http_exchange *exchange)
{
    return http_answer(exchange, "307 Temporary Redirect", "Location: http://127.0.0.1:1/\r\nRetry-After: 7\r\n",
                       "moved");
}

static void redirects_are_for_the_caller(void)
{
    struct http_fixture server;
    struct http_response response;
    http_fixture_start(&server, redirect, NULL);
    struct http_client *client = new_client();
    REQUIRE(get(client, server.url, &response, NULL) == 0);
    CHECK_INT(response.status, 307);
    CHECK_TEXT(ccol__http_response_header(&response, "location"), "http://127.0.0.1:1/");
    CHECK_INT(ccol__http_response_retry_after(&response), 7);
    ccol__http_response_fini(&response);
    ccol__http_client_free(client);
    http_fixture_stop(&server);
}

static void retry_after_may_be_a_date(void)
{
    struct http_response response = {0};
    char line[128];
    time_t soon = time(NULL) + 100;
    struct tm parts;
    gmtime_r(&soon, &parts);
    ccol__buffer_init(&response.headers, 1000, NULL);
    CHECK_INT(ccol__http_response_retry_after(&response), 0);
    strftime(line, sizeof line, "retry-after: %a, %d %b %Y %H:%M:%S GMT", &parts);
    ccol__buffer_append(&response.headers, line, strlen(line) + 1);
    unsigned after = ccol__http_response_retry_after(&response);
    CHECK(after > 60 && after <= 100);
    ccol__buffer_clear(&response.headers);
    ccol__buffer_append(&response.headers, "Retry-After: 99999999999999999999", 34);
    CHECK_INT(ccol__http_response_retry_after(&response), 3600);
    ccol__buffer_clear(&response.headers);
    ccol__buffer_append(&response.headers, "Retry-After: soon", 18);
    CHECK_INT(ccol__http_response_retry_after(&response), 0);
    ccol__http_response_fini(&response);
}

static void headers_cannot_be_smuggled(void)
{
    static const struct http_header bad[] = {{"X-A", "a\r\nX-B: b"}, {"X-A", "a\nb"}, {"X A", "a"},
                                             {"X-A:", "a"},          {"", "a"},       {"X\r\nY", "a"}};
    struct http_client *client = new_client();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct http_response response;
        struct http_request request = {
            .method = "GET", .url = "http://127.0.0.1:1/", .headers = &bad[i], .header_count = 1};
        CHECK_INT(ccol__http_client_perform(client, &request, &response, NULL), -EINVAL);
    }
    ccol__http_client_free(client);
}

static bool check_expectation(struct http_exchange *exchange)
{
    char *expect = http_request_header(exchange, "Expect");
    CHECK_TEXT(expect, "100-continue");
    free(expect);
    return http_answer(exchange, "200 OK", "", "");
}

/* The fixture says no "100 Continue", so the body comes after libcurl's patience of a second. */
static void an_expectation_is_sent_when_asked_for(void)
{
    struct http_fixture server;
    struct http_response response;
    http_fixture_start(&server, check_expectation, NULL);
    struct http_client *client = new_client();
    char *large = calloc(1, 2000000);
    struct http_piece body = {large, 2000000};
    struct http_request request = {
        .method = "PUT", .url = server.url, .body = &body, .body_count = 1, .expect_continue = true};
    REQUIRE(ccol__http_client_perform(client, &request, &response, NULL) == 0);
    CHECK_INT(response.status, 200);
    ccol__http_response_fini(&response);
    free(large);
    ccol__http_client_free(client);
    http_fixture_stop(&server);
}

struct crowd {
    struct http_client *client;
    const char *url;
    atomic_uint failures;
};

static void *ask_often(void *user)
{
    struct crowd *crowd = user;
    for (int i = 0; i < THREAD_ROUNDS; i++) {
        struct http_response response;
        char text[32];
        int length = snprintf(text, sizeof text, "|round %d of %p", i, (void *)&response);
        struct http_piece body = {text + 1, (size_t)length - 1};
        struct http_request request = {.method = "POST", .url = crowd->url, .body = &body, .body_count = 1};
        int code = ccol__http_client_perform(crowd->client, &request, &response, NULL);
        crowd->failures += code || !strstr(response.body.data, text);
        if (!code) ccol__http_response_fini(&response);
    }
    return NULL;
}

static void threads_share_connections(void)
{
    struct http_fixture server;
    pthread_t threads[THREADS];
    http_fixture_start(&server, echo, NULL);
    struct crowd crowd = {.client = new_client(), .url = server.url};
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, ask_often, &crowd) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(crowd.failures, 0);
    CHECK_INT(server.requests, THREADS * THREAD_ROUNDS);
    CHECK(server.connections <= THREADS);
    ccol__http_client_free(crowd.client);
    http_fixture_stop(&server);
}

static void mistakes_are_told_at_once(void)
{
    struct http_client *client = NULL;
    ccol_error err = {0};
    struct http_client_options options = {.ca_file = "/nowhere/ca.pem"};
    CHECK_INT(ccol__http_client_new(&client, &options, &err), -ENOENT);
    CHECK(strstr(err.text, "/nowhere/ca.pem"));
    options = (struct http_client_options){.ca_folder = "/nowhere"};
    CHECK_INT(ccol__http_client_new(&client, &options, &err), -ENOENT);
    ccol__http_client_free(NULL);
}

static void urls_are_told_apart(void)
{
    static const char *const good[] = {"http://h", "https://h/", "HTTPS://[::1]:8000/a?b", "http://h:1/a@b"};
    static const char *const bad[] = {
        "",          "h", "ftp://h", "http://", "http:///a", "http:/h", "http://u:p@h", "http://h/a b", "http://:80/",
        "http://h\n"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CHECK(ccol__http_url_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!ccol__http_url_valid(bad[i]));
}

int main(void)
{
    RUN(a_request_goes_out_as_given);
    RUN(methods_have_the_bodies_they_should);
    RUN(a_head_has_headers_alone);
    RUN(a_dead_connection_is_replaced);
    RUN(waits_end);
    RUN(failures_are_named);
    RUN(answers_have_a_ceiling);
    RUN(headers_have_a_ceiling);
    RUN(redirects_are_for_the_caller);
    RUN(retry_after_may_be_a_date);
    RUN(headers_cannot_be_smuggled);
    RUN(an_expectation_is_sent_when_asked_for);
    RUN(threads_share_connections);
    RUN(mistakes_are_told_at_once);
    RUN(urls_are_told_apart);
    return check_done();
}
