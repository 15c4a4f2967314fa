/* SPDX-License-Identifier: MIT */
/* Every place that keys come from, with servers of our own where AWS has some. */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "net/aws_credentials.h"
#include "net/aws_sources.h"

#include "fixture.h"
#include "http_fixture.h"

#define THREADS 8

static char log_text[16384];
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void keep_log(void *user, ccol_level level, const char *part, const char *crash_id, const char *text)
{
    (void)user, (void)level, (void)crash_id;
    pthread_mutex_lock(&log_lock);
    size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof log_text - used, "%s: %s\n", part, text);
    pthread_mutex_unlock(&log_lock);
}

/* An environment in which there is nothing of AWS's. */
static void clean_environment(void)
{
#define UNSET(member, variable) unsetenv(variable);
    AWS_ENVIRONMENT(UNSET)
#undef UNSET
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    log_text[0] = '\0';
}

static struct aws_credentials *start(void)
{
    struct aws_credentials *credentials = NULL;
    struct aws_credentials_options options = {.region = "eu-west-1", .log = {keep_log, NULL}, .http.proxy = "off"};
    REQUIRE(ccol__aws_credentials_new(&credentials, &options, NULL) == 0);
    return credentials;
}

static void check_keys(struct aws_credentials *credentials, const char *id, const char *secret, const char *token)
{
    struct aws_keys *keys = NULL;
    ccol_error err = {0};
    int code = ccol__aws_credentials_get(credentials, &keys, &err);
    CHECK_TEXT(code ? err.text : keys->keys.access_key_id, id);
    if (code) return;
    CHECK_TEXT(keys->keys.secret, secret);
    CHECK_TEXT(keys->keys.session_token, token);
    ccol__aws_keys_unref(keys);
}

static void check_failure(struct aws_credentials *credentials, const char *wanted)
{
    struct aws_keys *keys = NULL;
    ccol_error err = {0};
    CHECK(ccol__aws_credentials_get(credentials, &keys, &err) < 0);
    CHECK(!keys && err.code < 0 && !ccol_error_is_permanent(err.code));
    if (!strstr(err.text, wanted)) CHECK_TEXT(err.text, wanted);
}

static void write_file(const char *name, const char *text)
{
    char path[256];
    FILE *file = fopen(fixture_path(path, name), "w");
    REQUIRE(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void use_file(const char *variable, const char *name)
{
    char path[256];
    setenv(variable, fixture_path(path, name), 1);
}

static void given_keys_come_first(void)
{
    struct aws_credentials *credentials = NULL;
    ccol_error err = {0};
    clean_environment();
    setenv("AWS_ACCESS_KEY_ID", "OTHER", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "other", 1);
    struct aws_credentials_options options = {.region = "r", .access_key_id = "ID", .secret = "given"};
    REQUIRE(ccol__aws_credentials_new(&credentials, &options, NULL) == 0);
    check_keys(credentials, "ID", "given", "");
    ccol__aws_credentials_free(credentials);
    options.secret = NULL;
    CHECK_INT(ccol__aws_credentials_new(&credentials, &options, &err), -EINVAL);
    ccol__aws_credentials_free(NULL);
}

static void the_environment_has_keys(void)
{
    clean_environment();
    setenv("AWS_ACCESS_KEY_ID", "ENVID", 1);
    struct aws_credentials *credentials = start();
    check_failure(credentials, "AWS_SECRET_ACCESS_KEY is not");
    ccol__aws_credentials_free(credentials);
    setenv("AWS_SECRET_ACCESS_KEY", "env-secret", 1);
    setenv("AWS_SESSION_TOKEN", "env-token", 1);
    credentials = start();
    check_keys(credentials, "ENVID", "env-secret", "env-token");
    ccol__aws_credentials_free(credentials);
    CHECK(strstr(log_text, "credentials from the environment") && !strstr(log_text, "env-"));
}

static const char shared_credentials[] = "# a comment\n"
                                         "[default]\naws_access_key_id = DEFAULTID\naws_secret_access_key=d/s+e=\n"
                                         "[ops]\r\naws_access_key_id=OPSID\r\naws_secret_access_key=ops # secret\r\n"
                                         "aws_session_token = ops-token\r\n"
                                         "[half]\naws_access_key_id = HALF\n"
                                         "[role]\nrole_arn = arn:role\nsource_profile = default\n"
                                         "[loop]\nrole_arn = arn:role\nsource_profile = loop2\n"
                                         "[loop2]\nrole_arn = arn:role\nsource_profile = loop\n"
                                         "[process]\ncredential_process = /bin/true\n";
static const char shared_config[] = "[default]\nregion = eu-west-1\n"
                                    "[profile only]\ns3 =\n  max_concurrent_requests = 20\n"
                                    "AWS_Access_Key_Id = ONLYID\naws_secret_access_key = only\n"
                                    "[only]\naws_access_key_id = WRONG\n"
                                    "[profile ops]\naws_access_key_id = OVERRULED\n"
                                    "[profile web]\nrole_arn = arn:web\nweb_identity_token_file = /nowhere/token\n";

static void use_shared_files(void)
{
    clean_environment();
    write_file("credentials", shared_credentials);
    write_file("config", shared_config);
    use_file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    use_file("AWS_CONFIG_FILE", "config");
}

static void check_profile(const char *name, const char *id, const char *secret, const char *token)
{
    if (name) setenv("AWS_PROFILE", name, 1);
    struct aws_credentials *credentials = start();
    check_keys(credentials, id, secret, token);
    ccol__aws_credentials_free(credentials);
}

static void check_bad_profile(const char *name, const char *wanted)
{
    setenv("AWS_PROFILE", name, 1);
    struct aws_credentials *credentials = start();
    check_failure(credentials, wanted);
    ccol__aws_credentials_free(credentials);
}

static void profiles_have_keys(void)
{
    use_shared_files();
    check_profile(NULL, "DEFAULTID", "d/s+e=", "");
    check_profile("ops", "OPSID", "ops", "ops-token");
    check_profile("only", "ONLYID", "only", "");
    check_bad_profile("half", "half has no aws_access_key_id or no aws_secret_access_key");
    check_bad_profile("nobody", "no profile nobody");
    check_bad_profile("loop", "source_profile after another");
    check_bad_profile("process", "credential_process, which is not supported");
    check_bad_profile("web", "/nowhere/token");
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/credentials", 1);
    check_bad_profile("ops", "/nowhere/credentials");
}

static void profiles_lie_at_home(void)
{
    char path[256];
    clean_environment();
    REQUIRE(mkdir(fixture_path(path, ".aws"), 0700) == 0);
    setenv("HOME", fixture_folder, 1);
    struct aws_credentials *credentials = start();
    check_failure(credentials, "no AWS credentials: give"); /* no files: no matter */
    ccol__aws_credentials_free(credentials);
    write_file(".aws/credentials", shared_credentials);
    write_file(".aws/config", shared_config);
    check_profile("only", "ONLYID", "only", "");
}

static void refused_keys_are_read_again(void)
{
    struct aws_keys *keys = NULL;
    use_shared_files();
    struct aws_credentials *credentials = start();
    REQUIRE(ccol__aws_credentials_get(credentials, &keys, NULL) == 0);
    write_file("credentials", "[default]\naws_access_key_id = NEW\naws_secret_access_key = new\n");
    check_keys(credentials, "DEFAULTID", "d/s+e=", "");
    CHECK(!ccol__aws_credentials_refused(credentials, keys)); /* they are seconds old */
    check_keys(credentials, "DEFAULTID", "d/s+e=", "");
    ccol__aws_keys_unref(keys);
    ccol__aws_credentials_free(credentials);
}

/* A server that plays STS, a container's agent and the instance's metadata. Keys live for life_s. */
struct play {
    atomic_uint served, life_s;
    atomic_bool fails;
    char wanted[128]; /* what a request must hold, "" for nothing */
};

static const char *time_text(char out[32], int64_t seconds)
{
    time_t then = time(NULL) + seconds;
    struct tm parts;
    gmtime_r(&then, &parts);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return out;
}

static bool play_sts(struct http_exchange *exchange)
{
    struct play *play = exchange->user;
    char body[1024], until[32];
    CHECK(strncmp(exchange->head, "POST / HTTP/1.1", 15) == 0);
    CHECK(!play->wanted[0] || memmem(exchange->body, exchange->body_length, play->wanted, strlen(play->wanted)));
    if (play->fails)
        return http_answer(exchange, "400 Bad Request", "",
                           "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>Token &lt;1&gt; is "
                           "old</Message></Error></ErrorResponse>");
    unsigned number = ++play->served;
    snprintf(body, sizeof body,
             "<?xml version=\"1.0\"?><R xmlns=\"https://sts\"><Credentials><AccessKeyId>STS%u</AccessKeyId>"
             "<SecretAccessKey>sts-secret&amp;%u</SecretAccessKey><SessionToken>sts-token%u</SessionToken>"
             "<Expiration>%s</Expiration></Credentials></R>",
             number, number, number, time_text(until, play->life_s));
    return http_answer(exchange, "200 OK", "", body);
}

static bool answer_json(const struct http_exchange *exchange, struct play *play, const char *id)
{
    char body[512], until[32];
    unsigned number = ++play->served;
    snprintf(body, sizeof body,
             "{\"Code\": \"Success\", \"AccessKeyId\": \"%s%u\", \"SecretAccessKey\": \"json-secret%u\", "
             "\"Token\": \"json-token%u\", \"Expiration\": \"%s\"}",
             id, number, number, number, time_text(until, play->life_s));
    return http_answer(exchange, "200 OK", "", body);
}

static bool play_container(struct http_exchange *exchange)
{
    struct play *play = exchange->user;
    char *authorization = http_request_header(exchange, "Authorization");
    bool right = authorization && strcmp(authorization, play->wanted) == 0;
    free(authorization);
    CHECK(strncmp(exchange->head, "GET /creds?id=1 HTTP/1.1", 24) == 0);
    if (!right) return http_answer(exchange, "403 Forbidden", "", "{\"message\": \"wrong token\"}");
    return answer_json(exchange, play, "AGENT");
}

static bool play_instance(struct http_exchange *exchange)
{
    struct play *play = exchange->user;
    if (strncmp(exchange->head, "PUT /latest/api/token ", 22) == 0) {
        char *life = http_request_header(exchange, "X-aws-ec2-metadata-token-ttl-seconds");
        CHECK_TEXT(life, "21600");
        free(life);
        return http_answer(exchange, "200 OK", "", "session-of-imds");
    }
    char *token = http_request_header(exchange, "X-aws-ec2-metadata-token");
    CHECK_TEXT(token, "session-of-imds");
    free(token);
    if (play->fails) return http_answer(exchange, "404 Not Found", "", "<html>");
    static const char list[] = "GET /latest/meta-data/iam/security-credentials/ ";
    if (strncmp(exchange->head, list, sizeof list - 1) == 0) return http_answer(exchange, "200 OK", "", "the role\n");
    CHECK(strncmp(exchange->head, "GET /latest/meta-data/iam/security-credentials/the%20role ", 58) == 0);
    return answer_json(exchange, play, "INSTANCE");
}

static void wait_a_little(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    nanosleep(&pause, NULL);
}

/* Asks until the keys are those, within a deadline. */
static void wait_for_keys(struct aws_credentials *credentials, const char *id)
{
    uint64_t deadline = ccol__clock_monotonic_ms() + FIXTURE_DEADLINE_S * 1000;
    for (;;) {
        struct aws_keys *keys = NULL;
        bool right =
            ccol__aws_credentials_get(credentials, &keys, NULL) == 0 && strcmp(keys->keys.access_key_id, id) == 0;
        ccol__aws_keys_unref(keys);
        if (right) return;
        REQUIRE(ccol__clock_monotonic_ms() < deadline);
        wait_a_little();
    }
}

static void a_web_identity_takes_a_role(void)
{
    struct http_fixture server;
    struct play play = {.life_s = 3,
                        .wanted = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws"
                                  "%3Arole%2Fx&RoleSessionName=me&WebIdentityToken=jwt.1%2B"};
    clean_environment();
    http_fixture_start(&server, play_sts, &play);
    write_file("token", "jwt.1+\n");
    setenv("AWS_ROLE_ARN", "arn:aws:role/x", 1);
    struct aws_credentials *credentials = start();
    check_failure(credentials, "no AWS credentials: give"); /* a role alone is nothing */
    ccol__aws_credentials_free(credentials);
    setenv("AWS_ROLE_SESSION_NAME", "me", 1);
    setenv("AWS_ENDPOINT_URL_STS", server.url, 1);
    use_file("AWS_WEB_IDENTITY_TOKEN_FILE", "token");
    credentials = start();
    check_keys(credentials, "STS1", "sts-secret&1", "sts-token1");
    check_keys(credentials, "STS1", "sts-secret&1", "sts-token1");
    CHECK_INT(play.served, 1);
    write_file("token", "jwt.2"); /* its issuer replaced it: read again at the renewal, ahead of the expiry */
    snprintf(play.wanted, sizeof play.wanted, "WebIdentityToken=jwt.2");
    wait_for_keys(credentials, "STS2");
    play.fails = true; /* the old ones serve until they expire, then it is told */
    uint64_t deadline = ccol__clock_monotonic_ms() + FIXTURE_DEADLINE_S * 1000;
    struct aws_keys *keys = NULL;
    ccol_error err = {0};
    while (ccol__aws_credentials_get(credentials, &keys, &err) == 0) {
        CHECK_TEXT(keys->keys.access_key_id, "STS2");
        CHECK(ccol__clock_now_us() < keys->expires_us);
        ccol__aws_keys_unref(keys);
        REQUIRE(ccol__clock_monotonic_ms() < deadline);
        wait_a_little();
    }
    CHECK(strstr(err.text, "STS answered 400: Token <1> is old"));
    CHECK(strstr(log_text, "cannot renew the credentials"));
    play.fails = false;
    wait_for_keys(credentials, "STS3");
    ccol__aws_credentials_free(credentials);
    http_fixture_stop(&server);
    CHECK(!strstr(log_text, "sts-") && !strstr(log_text, "jwt"));
}

static void a_profile_takes_a_role(void)
{
    struct http_fixture server;
    struct play play = {.life_s = 900, .wanted = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Arole&"};
    use_shared_files();
    http_fixture_start(&server, play_sts, &play);
    setenv("AWS_ENDPOINT_URL_STS", server.url, 1);
    check_profile("role", "STS1", "sts-secret&1", "sts-token1");
    http_fixture_stop(&server);
}

static void a_container_has_an_agent(void)
{
    struct http_fixture server;
    struct play play = {.life_s = 2, .wanted = "bearer one"};
    char uri[128];
    clean_environment();
    http_fixture_start(&server, play_container, &play);
    snprintf(uri, sizeof uri, "%s/creds?id=1", server.url);
    write_file("authorization", "bearer one\n");
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri, 1);
    use_file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "authorization");
    struct aws_credentials *credentials = start();
    check_keys(credentials, "AGENT1", "json-secret1", "json-token1");
    write_file("authorization", "bearer two");
    snprintf(play.wanted, sizeof play.wanted, "bearer two");
    wait_for_keys(credentials, "AGENT2");
    ccol__aws_credentials_free(credentials);
    write_file("authorization", "bearer three");
    credentials = start();
    check_failure(credentials, "the container's credentials: answered 403");
    ccol__aws_credentials_free(credentials);
    http_fixture_stop(&server);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/creds", 1);
    credentials = start();
    check_failure(credentials, "must be https");
    ccol__aws_credentials_free(credentials);
    setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/", 1);
    credentials = start();
    check_failure(credentials, "must begin with /");
    ccol__aws_credentials_free(credentials);
    CHECK(!strstr(log_text, "json-") && !strstr(log_text, "bearer"));
}

static void keys_come_from_near_places_only(void)
{
    static const char *const good[] = {
        "https://example.com/a", "http://127.0.0.1/",      "http://127.9.9.9:80/x",      "http://localhost:1/",
        "http://[::1]:5/a",      "http://169.254.170.2/x", "http://169.254.170.23/v1/c", "http://[fd00:ec2::23]/v1"};
    static const char *const bad[] = {"http://example.com/",        "http://169.254.170.3/",  "http://169.254.169.254/",
                                      "http://127.0.0.1.evil.com/", "http://localhost.evil/", "http://[::2]/",
                                      "http://u@127.0.0.1/",        "ftp://127.0.0.1/",       "http://127.1/",
                                      "http://[fd00:ec2::24]/",     "http://2130706433/",     ""};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CHECK(ccol__aws_container_url_allowed(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!ccol__aws_container_url_allowed(bad[i]));
}

static void an_instance_has_a_role(void)
{
    struct http_fixture server;
    struct play play = {.life_s = 2};
    clean_environment();
    unsetenv("AWS_EC2_METADATA_DISABLED");
    http_fixture_start(&server, play_instance, &play);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url, 1);
    struct aws_credentials *credentials = start();
    check_keys(credentials, "INSTANCE1", "json-secret1", "json-token1");
    wait_for_keys(credentials, "INSTANCE2");
    ccol__aws_credentials_free(credentials);
    play.fails = true;
    credentials = start();
    check_failure(credentials, "it has no role");
    ccol__aws_credentials_free(credentials);
    http_fixture_stop(&server);
    credentials = start();
    check_failure(credentials, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or a role; http://127.0.0.1");
    ccol__aws_credentials_free(credentials);
    CHECK(!strstr(log_text, "json-") && !strstr(log_text, "session-of-imds"));
}

static void *ask_once(void *user)
{
    check_keys(user, "STS1", "sts-secret&1", "sts-token1");
    return NULL;
}

static void one_thread_renews_for_all(void)
{
    struct http_fixture server;
    struct play play = {.life_s = 900};
    pthread_t threads[THREADS];
    clean_environment();
    http_fixture_start(&server, play_sts, &play);
    write_file("token", "jwt");
    setenv("AWS_ROLE_ARN", "arn", 1);
    setenv("AWS_ENDPOINT_URL_STS", server.url, 1);
    use_file("AWS_WEB_IDENTITY_TOKEN_FILE", "token");
    struct aws_credentials *credentials = start();
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, ask_once, credentials) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(play.served, 1);
    ccol__aws_credentials_free(credentials);
    http_fixture_stop(&server);
}

static void answers_are_not_trusted(void)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "not json",
                                      "{\"AccessKeyId\": 1, \"SecretAccessKey\": 2}",
                                      "{\"AccessKeyId\": \"\", \"SecretAccessKey\": \"\"}",
                                      "{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"B\", \"Expiration\": \"soon\"}",
                                      "{\"Code\": \"Failed\", \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"B\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct aws_keys *keys = NULL;
        ccol_error err = {0};
        CHECK_INT(ccol__aws_keys_from_json(&keys, bad[i], strlen(bad[i]), "test", &err), CCOL_EREMOTE);
        CHECK(!keys && strncmp(err.text, "test: ", 6) == 0);
        CHECK_INT(ccol__aws_keys_from_xml(&keys, bad[i], strlen(bad[i]), "test", &err), CCOL_EREMOTE);
        CHECK(!keys);
    }
    CHECK_INT(ccol__aws_time("2015-08-30T12:36:00Z"), INT64_C(1440938160000000));
    CHECK_INT(ccol__aws_time("2015-08-30T12:36:00.123Z"), INT64_C(1440938160000000));
    CHECK_INT(ccol__aws_time("2015-13-30T12:36:00Z"), 0);
    CHECK_INT(ccol__aws_time("yesterday"), 0);
}

int main(void)
{
    fixture_fresh("test_aws_credentials");
    RUN(given_keys_come_first);
    RUN(the_environment_has_keys);
    RUN(profiles_have_keys);
    RUN(profiles_lie_at_home);
    RUN(refused_keys_are_read_again);
    RUN(a_web_identity_takes_a_role);
    RUN(a_profile_takes_a_role);
    RUN(a_container_has_an_agent);
    RUN(keys_come_from_near_places_only);
    RUN(an_instance_has_a_role);
    RUN(one_thread_renews_for_all);
    RUN(answers_are_not_trusted);
    fixture_remove();
    return check_done();
}
