/* SPDX-License-Identifier: MIT */
/* The built-in publishers refuse options that can never work, with a text that says what is wanted. */
#include <crashcollect.h>
#include <errno.h>

#include "check.h"

static void a_webhook_needs_a_url(void)
{
    static const char *const bad[] = {NULL, "", "ftp://x/", "http://user:secret@x/", "http://x y/", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ccol_publisher *publisher = NULL;
        ccol_error err = {0};
        const ccol_webhook_options options = {.size = sizeof options, .url = bad[i]};
        CHECK_INT(ccol_publisher_new_webhook(&publisher, &options, &err), -EINVAL);
        CHECK(strstr(err.text, "ccol_webhook_options.url") && !strstr(err.text, "secret"));
    }
    const ccol_webhook_options no_ca = {.size = sizeof no_ca, .url = "https://x/", .ca_file = "/no/such/file"};
    ccol_publisher *publisher = NULL;
    CHECK(ccol_publisher_new_webhook(&publisher, &no_ca, NULL) != 0);
    const ccol_webhook_options forgotten = {.url = "https://x/"};
    CHECK_INT(ccol_publisher_new_webhook(&publisher, &forgotten, NULL), CCOL_EABI);
}

static int new_pubsub(const char *topic, const char *project, const char *emulator, ccol_error *err)
{
    ccol_publisher *publisher = NULL;
    const ccol_pubsub_options options = {
        .size = sizeof options, .topic = topic, .project = project, .emulator_host = emulator};
    int code = ccol_publisher_new_pubsub(&publisher, &options, err);
    if (!code) ccol_publisher_unref(publisher);
    return code;
}

static void a_topic_is_a_path_or_a_name_with_a_project(void)
{
    ccol_error err = {0};
    CHECK_INT(new_pubsub("projects/p/topics/t", NULL, "localhost:1", &err), 0);
    CHECK_INT(new_pubsub("t", "p", "localhost:1", &err), 0);
    static const char *const bad[] = {"",    "projects/p", "projects/p/topics/", "projects/p/topics/t/x", "a b",
                                      "t?x", "t#"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_INT(new_pubsub(bad[i], "p", "localhost:1", &err), -EINVAL);
        CHECK(strstr(err.text, "projects/PROJECT/topics/TOPIC"));
    }
    CHECK_INT(new_pubsub("t", NULL, "localhost:1", &err), -EINVAL);
    CHECK_INT(new_pubsub(NULL, "p", "localhost:1", &err), -EINVAL);
    CHECK_INT(new_pubsub("t", "p", "local host", &err), -EINVAL);
    CHECK_INT(new_pubsub("t", "p", NULL, &err), -EINVAL);
    CHECK(strstr(err.text, "key file"));
}

/* Built in or not: never a silent nothing. */
static void amqp_says_what_it_needs(void)
{
    static const char *const bad[][2] = {
        {NULL, "q"}, {"amqp://h/", NULL}, {"amqp://h/", ""}, {"http://h/", "q"}, {"", "q"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ccol_publisher *publisher = NULL;
        ccol_error err = {0};
        const ccol_amqp_options options = {.size = sizeof options, .url = bad[i][0], .queue = bad[i][1]};
        int code = ccol_publisher_new_amqp(&publisher, &options, &err);
#if CCOL_HAVE_AMQP
        CHECK_INT(code, -EINVAL);
        CHECK(strstr(err.text, "ccol_amqp_options"));
#else
        CHECK_INT(code, CCOL_EREJECTED);
        CHECK(strstr(err.text, "librabbitmq-dev") && strstr(err.text, "-DCCOL_AMQP=ON"));
#endif
    }
}

int main(void)
{
    RUN(a_webhook_needs_a_url);
    RUN(a_topic_is_a_path_or_a_name_with_a_project);
    RUN(amqp_says_what_it_needs);
    return check_done();
}
