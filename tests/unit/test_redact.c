/* SPDX-License-Identifier: MIT */
/* Each line with what is left of it. The tokens are made up, in the forms of real ones. */
#include "check.h"
#include "monitor/redact.h"

struct example {
    const char *text, *left;
};

static void check_examples(const struct example *examples, size_t count, const struct redact_options *options)
{
    struct redactor *redactor;
    ccol_error err = {0};
    REQUIRE(ccol__redactor_new(&redactor, options, &err) == 0);
    for (size_t i = 0; i < count; i++) {
        struct buffer out;
        ccol__buffer_init(&out, 65536, NULL);
        ccol__buffer_text(&out, "");
        CHECK(ccol__redact_text(redactor, &out, examples[i].text, strlen(examples[i].text)));
        CHECK_TEXT(out.data, examples[i].left ? examples[i].left : examples[i].text);
        ccol__buffer_fini(&out);
    }
    ccol__redactor_free(redactor);
}

#define CHECK_EXAMPLES(list, options) check_examples(list, sizeof(list) / sizeof *(list), options)

static void named_secrets(void)
{
    static const struct example examples[] = {
        {"password=hunter2 user=joe", "password=***** user=joe"},
        {"Password: hunter2", "Password: *****"},
        {"DB_PASSWORD='a b c' next", "DB_PASSWORD='*****' next"},
        {"{\"user\":\"joe\",\"password\":\"hun\\\"ter2\",\"x\":1}",
         "{\"user\":\"joe\",\"password\":\"*****\",\"x\":1}"},
        {"msg=\"{\\\"apiKey\\\":\\\"abc\\\",\\\"a\\\":1}\"", "msg=\"{\\\"apiKey\\\":\\\"*****\\\",\\\"a\\\":1}\""},
        {"GET /x?access_token=abc&page=2 HTTP/1.1", "GET /x?access_token=*****&page=2 HTTP/1.1"},
        {"x-api-key: abc, y: z", "x-api-key: *****, y: z"},
        {"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = *****"},
        {"clientSecret => 'abc'", "clientSecret => '*****'"},
        {"token := \"abc\"", "token := \"*****\""},
        {"Authorization: Bearer abc.def", "Authorization: *****"},
        {"authorization: Basic dXNlcjpwYXNz", "authorization: *****"},
        {"headers={'Authorization': 'Token abc', 'A': 'b'}", "headers={'Authorization': '*****', 'A': 'b'}"},
        {"Cookie: a=b; c=d", "Cookie: *****"},
        {"Set-Cookie: sid=abc; Path=/", "Set-Cookie: *****"},
        {"session_id=abc123 ok", "session_id=***** ok"},
        {"token: Bearer abc next", "token: ***** next"},
        {"X-Amz-Signature=abcdef&x=1", "X-Amz-Signature=*****&x=1"},
        {"sv=2020&sig=abcdefghijklmnopqrstuvwxyz%3D&x=1", "sv=2020&sig=*****&x=1"},
        {"PASSWORD=one PASSWORD=two", "PASSWORD=***** PASSWORD=*****"},
        {"password=\"never closed", "password=\"*****"},
    };
    CHECK_EXAMPLES(examples, NULL);
}

static void known_forms(void)
{
    static const struct example examples[] = {
        {"key AKIAIOSFODNN7EXAMPLE used", "key ***** used"},
        {"ghp_abcdefghijklmnopqrstuvwxyz0123456789", "*****"},
        {"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_x end", "jwt ***** end"},
        {"xoxb-1234567890-abc", "*****"},
        {"https://hooks.slack.com/services/T0/B0/abc done", "https://***** done"},
        {"Bearer abcDEF123456", "Bearer *****"},
        {"Basic dXNlcjpwYXNzd29yZA==", "Basic *****"},
        {"sk_live_abcdefghij1234", "*****"},
    };
    CHECK_EXAMPLES(examples, NULL);
}

static void urls(void)
{
    static const struct example examples[] = {
        {"postgres://joe:hunter2@db:5432/x", "postgres://joe:*****@db:5432/x"},
        {"redis://:hunter2@cache", "redis://:*****@cache"},
        {"amqp://a:p@ss@h/v", "amqp://a:*****@h/v"},
        {"dsn https://0123456789abcdef0123456789abcdef@o1.ingest.example/42", "dsn https://*****@o1.ingest.example/42"},
        {"https://0123456789abcdef0123456789abcdef:aaaa@h/42", "https://*****@h/42"},
        {"ssh://git@host/repo", NULL},
        {"http://host:8000/a@b?x=1", NULL},
        {"http://host/?password=x", "http://host/?password=*****"},
    };
    CHECK_EXAMPLES(examples, NULL);
}

static void private_keys(void)
{
    static const struct example examples[] = {
        {"a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----\nb\n",
         "a\n-----BEGIN PRIVATE KEY-----*****-----END RSA PRIVATE KEY-----\nb\n"},
        {"k: \"-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----\\n\"",
         "k: \"-----BEGIN PRIVATE KEY-----*****-----END PRIVATE KEY-----\\n\""},
        {"-----BEGIN CERTIFICATE-----\nMIIE\n", NULL},
        {"-----BEGIN EC PRIVATE KEY-----\nMIIE\ncut off", "-----BEGIN PRIVATE KEY-----*****"},
    };
    CHECK_EXAMPLES(examples, NULL);
}

static void what_is_no_secret_stays(void)
{
    static const char *const texts[] = {
        "the password is wrong",
        "token expired",
        "token_count=17",
        "password_file=/etc/x",
        "author: Joe",
        "std::token::next",
        "secret == other",
        "caught sig=11",
        "bearer of news",
        "Basic usage of this",
        "keyboard=us key=value",
        "password=null token: None",
        "password=",
        "http://example.org:8000/path",
        "thread 'main' panicked at src/main.rs:10:13:",
        "commit 0123456789abcdef0123456789abcdef01234567",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct example example = {texts[i], NULL};
        check_examples(&example, 1, NULL);
    }
}

static void own_patterns(void)
{
    static const char *const patterns[] = {"[0-9]{4}-[0-9]{4}-[0-9]{4}", "user=([a-z]+)", "^x*"};
    static const struct redact_options options = {.patterns = patterns, .pattern_count = 3}, off = {.off = true};
    static const struct example examples[] = {
        {"card 1234-5678-9012 and 1111-2222-3333\nuser=joe password=x\n",
         "card ***** and *****\nuser=***** password=*****\n"},
        {"xxy xx", "*****y xx"},
    };
    static const struct example all[] = {{"password=x\n-----BEGIN PRIVATE KEY-----\nabc", NULL}};
    CHECK_EXAMPLES(examples, &options);
    CHECK_EXAMPLES(all, &off);
}

static void wrong_patterns_are_told(void)
{
    static const char *const wrong[] = {"(", "", "(a)\\1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct redact_options options = {.patterns = &wrong[i], .pattern_count = 1};
        struct redactor *redactor = (void *)1;
        ccol_error err = {0};
        CHECK_INT(ccol__redactor_new(&redactor, &options, &err), CCOL_EFORMAT);
        CHECK(redactor == NULL && err.text[0]);
    }
}

static void commands(void)
{
#define COMMAND(text, left)                                                                                            \
    {                                                                                                                  \
        text, sizeof(text), left                                                                                       \
    }
    static const struct {
        const char *arguments;
        size_t length;
        const char *left;
    } examples[] = {
        COMMAND("app\0--password\0hunter2\0-v", "app --password ***** -v"),
        COMMAND("app\0--password=hunter2\0x", "app --password=***** x"),
        COMMAND("curl\0-u\0joe:hunter2\0http://h", "curl -u joe:***** http://h"),
        COMMAND("curl\0-u\0joe\0http://h", "curl -u joe http://h"),
        COMMAND("curl\0-H\0Authorization: Bearer abc\0h", "curl -H 'Authorization: *****' h"),
        COMMAND("env\0API_KEY=abc\0app", "env API_KEY=***** app"),
        COMMAND("app\0--token\0--next\0", "app --token --next ''"),
        COMMAND("app\0--api-key\0k\0two words\0", "app --api-key ***** 'two words' ''"),
        COMMAND("app\0--token-file\0/x", "app --token-file /x"),
        COMMAND("app\0postgres://joe:p@h/d", "app postgres://joe:*****@h/d"),
    };
#undef COMMAND
    struct redactor *redactor;
    REQUIRE(ccol__redactor_new(&redactor, NULL, NULL) == 0);
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct buffer out;
        ccol__buffer_init(&out, 4096, NULL);
        CHECK(ccol__redact_command(redactor, &out, examples[i].arguments, examples[i].length));
        CHECK_TEXT(out.data, examples[i].left);
        ccol__buffer_fini(&out);
    }
    ccol__redactor_free(redactor);
}

/* Each would take minutes if a look ahead were repeated at every byte. */
static void hostile_lines(void)
{
    static const char *const pieces[] = {"://",     "password",    "password\\", "password=\"", "token: ", "a@", "eyJ.",
                                         "Bearer ", "-----BEGIN ", "sig=",       "\\\"",        "AKIA",    "-",  "x_"};
    struct redactor *redactor;
    REQUIRE(ccol__redactor_new(&redactor, NULL, NULL) == 0);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct buffer text, out;
        ccol__buffer_init(&text, 8 << 20, NULL);
        ccol__buffer_init(&out, 64 << 20, NULL);
        while (text.length < 2 << 20)
            ccol__buffer_text(&text, pieces[i]);
        CHECK(ccol__redact_text(redactor, &out, text.data, text.length));
        ccol__buffer_fini(&text);
        ccol__buffer_fini(&out);
    }
    ccol__redactor_free(redactor);
}

int main(void)
{
    RUN(named_secrets);
    RUN(known_forms);
    RUN(urls);
    RUN(private_keys);
    RUN(what_is_no_secret_stays);
    RUN(own_patterns);
    RUN(wrong_patterns_are_told);
    RUN(commands);
    RUN(hostile_lines);
    return check_done();
}
