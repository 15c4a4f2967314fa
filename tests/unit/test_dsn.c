/* SPDX-License-Identifier: MIT */
#include "net/dsn.h"

#include "check.h"

static struct dsn dsn;

static void check_good(const char *text, const char *base, const char *key, const char *project)
{
    ccol_error err = {0};
    CHECK_INT(ccol__dsn_parse(&dsn, text, &err), 0);
    CHECK_TEXT(dsn.base, base);
    CHECK_TEXT(dsn.key, key);
    CHECK_TEXT(dsn.project, project);
    if (err.code) fprintf(stderr, "%s: %s\n", text, err.text);
}

static void good_ones(void)
{
    check_good("https://abc@sentry.io/1", "https://sentry.io", "abc", "1");
    check_good("http://abc:dead@127.0.0.1:9000/7", "http://127.0.0.1:9000", "abc", "7");
    check_good("HTTPS://abc@sentry.example.com/with/a/path/my-project", "https://sentry.example.com/with/a/path", "abc",
               "my-project");
    check_good("https://abc@[::1]:443/12/", "https://[::1]:443", "abc", "12");
    check_good("https://a_b-c@o1.ingest.us.sentry.io//12", "https://o1.ingest.us.sentry.io", "a_b-c", "12");
}

static void bad_ones(void)
{
    static const char *const bad[] = {
        "",
        "sentry.io/1",
        "ftp://abc@sentry.io/1",
        "https://sentry.io/1",
        "https://@sentry.io/1",
        "https://:secretword@sentry.io/1",
        "https://abc@/1",
        "https://abc@sentry.io",
        "https://abc@sentry.io/",
        "https://abc@sentry.io:0/1",
        "https://abc@sentry.io:65536/1",
        "https://abc@sentry.io:x/1",
        "https://abc@sentry.io/a b/1",
        "https://abc@sentry.io/1?secretword=1",
        "https://abc@sentry.io/1#secretword",
        "https://secret word@sentry.io/1",
        "https://abc@sentry.io\r\n/1",
        "https://abc@[::1/1",
        "https://abc@[]/1",
        "https://abc@secretword@sentry.io/1",
        "https://abc/1@secretword/1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ccol_error err = {0};
        CHECK_INT(ccol__dsn_parse(&dsn, bad[i], &err), CCOL_EFORMAT);
        CHECK(!strstr(err.text, "secretword") && !strstr(err.text, "sentry.io"));
    }
}

static void too_long_ones(void)
{
    static const char *const forms[] = {"https://%s@sentry.io/1", "https://a@%s/1", "https://a@sentry.io/%s/1",
                                        "https://a@sentry.io/%s"};
    char part[4096], text[8192];
    memset(part, 'x', sizeof part - 1);
    part[sizeof part - 1] = '\0';
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const char *at = strstr(forms[i], "%s");
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - forms[i]), forms[i], part, at + 2);
        CHECK_INT(ccol__dsn_parse(&dsn, text, NULL), CCOL_EFORMAT);
    }
}

static void urls(void)
{
    char url[DSN_URL_SIZE];
    CHECK_INT(ccol__dsn_parse(&dsn, "https://abc@host.example:8443/sub/5", NULL), 0);
    CHECK_TEXT(ccol__dsn_url(url, &dsn, "envelope"), "https://host.example:8443/sub/api/5/envelope/");
}

int main(void)
{
    RUN(good_ones);
    RUN(bad_ones);
    RUN(too_long_ones);
    RUN(urls);
    return check_done();
}
