/* SPDX-License-Identifier: MIT */
/* Errors of our own on their way to Sentry: veto, edit, flood, and a server that is not there. */
#include <errno.h>

#include <crashcollect/incident.h>

#include "http_fixture.h"

#define KEY "abcdef"

struct inbox {
    pthread_mutex_t lock;
    char last[16384];
    unsigned count;
};

static struct inbox inbox = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct http_fixture server;
static ccol_error err;

static bool take(struct http_exchange *exchange)
{
    struct inbox *box = exchange->user;
    pthread_mutex_lock(&box->lock);
    snprintf(box->last, sizeof box->last, "%s\n%.*s", exchange->head, (int)exchange->body_length, exchange->body);
    box->count++;
    pthread_mutex_unlock(&box->lock);
    return http_answer(exchange, "200 OK", "", "{}");
}

static bool refuse(struct http_exchange *exchange)
{
    return http_answer(exchange, "403 Forbidden", "", "");
}

static ccol_reporter *new_reporter(http_fixture_fn answer, ccol_incident_fn before, unsigned per_minute)
{
    static char dsn[128];
    ccol_reporter *reporter = NULL;
    http_fixture_start(&server, answer, &inbox);
    inbox.count = 0;
    snprintf(dsn, sizeof dsn, "http://" KEY "@127.0.0.1:%u/7", server.port);
    const ccol_reporter_options options = {.size = sizeof options,
                                           .dsn = dsn,
                                           .release = "1.0:abc",
                                           .server_name = "host1",
                                           .proxy = "off",
                                           .per_minute = per_minute,
                                           .before = before};
    REQUIRE(ccol_reporter_new(&reporter, &options, &err) == 0);
    return reporter;
}

static void end(ccol_reporter *reporter)
{
    ccol_reporter_free(reporter);
    http_fixture_stop(&server);
}

static ccol_reporter_stats stats_of(ccol_reporter *reporter)
{
    ccol_reporter_stats stats = {.size = sizeof stats};
    CHECK_INT(ccol_reporter_flush(reporter, 20000), 0);
    ccol_reporter_stats_get(reporter, &stats);
    return stats;
}

static ccol_incident an_incident(const char *text)
{
    return (ccol_incident){.size = sizeof(ccol_incident),
                           .code = -ENOSPC,
                           .type = "ENOSPC",
                           .text = text,
                           .part = "crashmover.save",
                           .crash_id = "de1bb258-cbbf-4589-a673-34f800160918"};
}

static void arrives(void)
{
    static const ccol_header headers[] = {{"Host", "collector:8000"},      {"User-Agent", "curl/8"},
                                          {"X-Forwarded-For", "10.9.8.7"}, {"x-real-ip", "10.9.8.7"},
                                          {"Cookie", "session=letmein"},   {"Authorization", "Basic letmein"},
                                          {"X-Custom", "letmein"}};
    ccol_reporter *reporter = new_reporter(take, NULL, 0);
    ccol_incident incident = an_incident("disk full");
    incident.method = "GET";
    incident.path = "/__broken__";
    incident.headers = headers;
    incident.header_count = sizeof headers / sizeof headers[0];
    CHECK(ccol_reporter_report(reporter, &incident));
    CHECK_INT(stats_of(reporter).sent, 1);
    static const char *const there[] = {
        "POST /api/7/envelope/ ",
        "sentry_key=abcdef",
        "\"type\": \"ENOSPC\"",
        "\"value\": \"disk full\"",
        "\"mechanism\": {\"type\": \"crashcollect\", \"handled\": false}",
        "\"transaction\": \"/__broken__\"",
        "\"url\": \"http://collector:8000/__broken__\"",
        "\"method\": \"GET\"",
        "\"User-Agent\": \"curl/8\"",
        "\"X-Forwarded-For\": \"[Scrubbed]\"",
        "\"x-real-ip\": \"[Scrubbed]\"",
        "\"Cookie\": \"[Scrubbed]\"",
        "\"Authorization\": \"[Scrubbed]\"",
        "\"release\": \"1.0:abc\"",
        "\"environment\": \"production\"",
        "\"server_name\": \"host1\"",
        "\"crash_id\": \"de1bb258-cbbf-4589-a673-34f800160918\"",
    };
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++) {
        if (!strstr(inbox.last, there[i])) fprintf(stderr, "missing: %s in %s\n", there[i], inbox.last);
        CHECK(strstr(inbox.last, there[i]));
    }
    CHECK(!strstr(inbox.last, "letmein") && !strstr(inbox.last, "10.9.8.7") && !strstr(inbox.last, "X-Custom"));
    end(reporter);
}

static bool edit_or_veto(void *user, ccol_incident *incident)
{
    (void)user;
    if (strcmp(incident->text, "secret plan") == 0) return false;
    incident->text = "edited";
    return true;
}

static void veto_and_edit(void)
{
    ccol_reporter *reporter = new_reporter(take, edit_or_veto, 0);
    ccol_incident first = an_incident("secret plan"), second = an_incident("to be changed");
    ccol_reporter_report(reporter, &first);
    ccol_reporter_report(reporter, &second);
    ccol_reporter_stats stats = stats_of(reporter);
    CHECK_INT(stats.vetoed, 1);
    CHECK_INT(stats.sent, 1);
    CHECK_INT(inbox.count, 1);
    CHECK(strstr(inbox.last, "\"value\": \"edited\""));
    CHECK_TEXT(second.text, "to be changed"); /* the caller's own is not touched */
    end(reporter);
}

static void a_flood_is_counted(void)
{
    ccol_reporter *reporter = new_reporter(take, NULL, 3);
    for (int i = 0; i < 1000; i++) {
        ccol_incident incident = an_incident("again");
        ccol_reporter_report(reporter, &incident);
    }
    ccol_reporter_stats stats = stats_of(reporter);
    CHECK_INT(stats.sent, 3);
    CHECK_INT(stats.suppressed, 997);
    end(reporter);
}

static void failures_are_counted(void)
{
    ccol_reporter *reporter = new_reporter(refuse, NULL, 0);
    ccol_incident incident = an_incident("nobody hears");
    ccol_reporter_report(reporter, &incident);
    ccol_reporter_stats stats = stats_of(reporter);
    CHECK_INT(stats.sent, 0);
    CHECK_INT(stats.failed, 1);
    end(reporter);
}

static void wrong_options(void)
{
    ccol_reporter *reporter = NULL;
    ccol_reporter_options options = {.size = sizeof options};
    CHECK_INT(ccol_reporter_new(&reporter, &options, &err), -EINVAL);
    options.dsn = "https://sentry.io/1";
    CHECK_INT(ccol_reporter_new(&reporter, &options, &err), CCOL_EFORMAT);
    options.dsn = "https://" KEY "@sentry.io/1";
    options.ca_file = "/nonexistent/ca.pem";
    CHECK(ccol_reporter_new(&reporter, &options, &err) < 0);
    CHECK(!strstr(err.text, KEY));
    ccol_reporter_free(NULL);
    CHECK_INT(ccol_reporter_flush(NULL, 0), 0);
}

int main(void)
{
    RUN(arrives);
    RUN(veto_and_edit);
    RUN(a_flood_is_counted);
    RUN(failures_are_counted);
    RUN(wrong_options);
    return check_done();
}
