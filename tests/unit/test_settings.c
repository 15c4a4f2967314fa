/* SPDX-License-Identifier: MIT */
#include <crashcollect/settings.h>

#include "check.h"
#include "settings/values.h"

#include <errno.h>
#include <unistd.h>

static char folder[] = "/tmp/ccol-settings-XXXXXX";

static void values(void)
{
    static const struct {
        const char *text;
        bool fine;
        uint64_t value;
    } sizes[] = {{"0", true, 0},
                 {"1500", true, 1500},
                 {"8KiB", true, 8192},
                 {"25 MiB", true, 26214400},
                 {"10gib", true, UINT64_C(10737418240)},
                 {"1TiB", true, UINT64_C(1) << 40},
                 {"", false, 0},
                 {"MiB", false, 0},
                 {"25MB", false, 0},
                 {"-1", false, 0},
                 {"1.5GiB", false, 0},
                 {"25MiB ", false, 0},
                 {"18446744073709551616", false, 0},
                 {"18446744073709551615KiB", false, 0}},
      times[] = {{"500ms", true, 500},  {"10s", true, 10000},    {"5m", true, 300000},
                 {"2h", true, 7200000}, {"7d", true, 604800000}, {"10", false, 0},
                 {"s", false, 0},       {"1 week", false, 0},    {"99999999999999999999s", false, 0}};
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        CHECK_INT(ccol__value_size(sizes[i].text, &value), sizes[i].fine);
        if (sizes[i].fine) CHECK_INT(value, sizes[i].value);
    }
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        CHECK_INT(ccol__value_time(times[i].text, &value), times[i].fine);
        if (times[i].fine) CHECK_INT(value, times[i].value);
    }
    static const char *const yes[] = {"on", "true", "1", "yes", "ON", "True"}, *const no[] = {"off", "false", "0",
                                                                                              "NO"};
    bool on = false;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        CHECK(ccol__value_switch(yes[i], &on) && on);
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        CHECK(ccol__value_switch(no[i], &on) && !on);
    CHECK(!ccol__value_switch("2", &on) && !ccol__value_switch("", &on) && !ccol__value_switch("o", &on));
    CHECK(!ccol__value_switch("on|off", &on));
}

static void addresses(void)
{
    static const char *const fine[] = {"127.0.0.1:8000",   "[::1]:0", "localhost:80",
                                       "unix:/run/x.sock", "fd:3",    "fd:3,4"};
    static const char *const wrong[] = {"",      "8000",  ":8000",  "host:",  "host:70000", "::1:80",
                                        "[]:80", "unix:", "fd:",    "fd:3,",  "fd:x",       "http://h:80",
                                        "h:8o",  "[::1]", "a b:80", "host:-1"};
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        CHECK(ccol__value_address(fine[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (ccol__value_address(wrong[i])) fprintf(stderr, "taken: %s\n", wrong[i]);
        CHECK(!ccol__value_address(wrong[i]));
    }
    int fds[4];
    CHECK_INT(ccol__value_fds("fd:3,5", fds, 4), 2);
    CHECK(fds[0] == 3 && fds[1] == 5);
    CHECK_INT(ccol__value_fds("fd:1,2,3,4,5", fds, 4), 0);
}

static ccol_settings *new_settings(void)
{
    ccol_settings *settings = NULL;
    REQUIRE(ccol_settings_new(&settings, NULL) == 0);
    return settings;
}

static char mistakes[8192];

static void collect(void *user, const char *mistake)
{
    (void)user;
    size_t used = strlen(mistakes);
    snprintf(mistakes + used, sizeof mistakes - used, "%s\n", mistake);
}

static int check_all(const ccol_settings *settings)
{
    mistakes[0] = '\0';
    return ccol_settings_check(settings, collect, NULL);
}

static void defaults(void)
{
    ccol_settings *settings = new_settings();
    CHECK_INT(check_all(settings), 0);
    CHECK_TEXT(mistakes, "");
    CHECK_TEXT(ccol_settings_get(settings, "CRASHCOLLECT_LISTEN"), "127.0.0.1:8000");
    CHECK_TEXT(ccol_settings_get(settings, "listen"), "127.0.0.1:8000");
    CHECK_TEXT(ccol_settings_get(settings, "fs-root"), "./crashcollect-data/crashes");
    CHECK_TEXT(ccol_settings_get(settings, "spool-max-age"), "none");
    CHECK(ccol_settings_get(settings, "tls-cert") == NULL);
    CHECK(ccol_settings_get(settings, "threads") == NULL);
    CHECK(ccol_settings_get(settings, "nonsense") == NULL);
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    CHECK_TEXT(ccol_settings_get(settings, "hostname"), host);
    CHECK_INT(ccol_settings_set(settings, "data-dir", "/var/x", NULL), 0);
    CHECK_TEXT(ccol_settings_get(settings, "fs-root"), "/var/x/crashes");
    CHECK_TEXT(ccol_settings_get(settings, "spool-dir"), "/var/x/spool");
    CHECK_INT(ccol_settings_set(settings, "fs-root", "/srv/crashes", NULL), 0);
    CHECK_TEXT(ccol_settings_get(settings, "fs-root"), "/srv/crashes");
    CHECK_INT(ccol_settings_set(settings, "listen", "", NULL), 0); /* empty: the default again */
    CHECK_TEXT(ccol_settings_get(settings, "listen"), "127.0.0.1:8000");
    CHECK_INT(ccol_settings_set(settings, "crash-id-prefix", "", NULL), 0); /* but here it is a value */
    CHECK_TEXT(ccol_settings_get(settings, "crash-id-prefix"), "");
    CHECK_INT(ccol_settings_set(settings, "discard-fields", "", NULL), 0);
    CHECK_TEXT(ccol_settings_get(settings, "discard-fields"), "");
    ccol_error err;
    CHECK_INT(ccol_settings_set(settings, "CRASHCOLLECT_LISTN", "x", &err), CCOL_EFORMAT);
    CHECK_TEXT(err.text, "CRASHCOLLECT_LISTN: no such setting; did you mean CRASHCOLLECT_LISTEN?");
    ccol_settings_free(settings);
}

static void every_mistake_is_told(void)
{
    static const char *const wrong[][3] = {
        {"listen", "8000", "CRASHCOLLECT_LISTEN=8000: not an address; give HOST:PORT, [V6]:PORT, unix:PATH or fd:N"},
        {"storage", "fs,gcs,fs", "CRASHCOLLECT_STORAGE=fs,gcs,fs: \"gcs\" is unknown; give one or more of fs|"},
        {"ack", "maybe", "CRASHCOLLECT_ACK=maybe: unknown; give one of spooled|stored|queued"},
        {"concurrent-crashmovers", "0", "CRASHCOLLECT_CONCURRENT_CRASHMOVERS=0: out of range; give 1 to 256"},
        {"spool-max-reports", "many", "CRASHCOLLECT_SPOOL_MAX_REPORTS=many: not a number; give digits only or none"},
        {"max-body", "25MB", "CRASHCOLLECT_MAX_BODY=25MB: not a size; give bytes, or a number with KiB, MiB or GiB"},
        {"spool-segment-bytes", "1KiB", "CRASHCOLLECT_SPOOL_SEGMENT_BYTES=1KiB: out of range; give 1MiB to 64GiB"},
        {"retry-first", "10", "CRASHCOLLECT_RETRY_FIRST=10: not a length of time; give a number with its unit"},
        {"dump-checksums", "maybe", "CRASHCOLLECT_DUMP_CHECKSUMS=maybe: neither on nor off"},
        {"admin-auth", "hunter2", "CRASHCOLLECT_ADMIN_AUTH=*****: there is no colon in it; give USER:PASSWORD"},
        {"tls-cert", "/nonexistent/cert.pem", "CRASHCOLLECT_TLS_CERT=/nonexistent/cert.pem: cannot be read: No such"},
        {"statsd-host", "host:8125", "CRASHCOLLECT_STATSD_HOST=host:8125: not a host"},
        {"throttle-rules", "/nonexistent/rules.json", "CRASHCOLLECT_THROTTLE_RULES=/nonexistent/rules.json: "},
    };
    ccol_settings *settings = new_settings();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK_INT(ccol_settings_set(settings, wrong[i][0], wrong[i][1], NULL), 0);
    int count = check_all(settings);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (!strstr(mistakes, wrong[i][2])) fprintf(stderr, "missing: %s\nin: %s", wrong[i][2], mistakes);
        CHECK(strstr(mistakes, wrong[i][2]));
    }
    CHECK(strstr(mistakes, "\"fs\" stands there twice"));
    CHECK(strstr(mistakes, "CRASHCOLLECT_TLS_CERT=/nonexistent/cert.pem: there is no key for it"));
    CHECK(!strstr(mistakes, "hunter2"));
    CHECK_INT(count, (int)(sizeof wrong / sizeof wrong[0]) + 2);
    ccol_settings_free(settings);
}

static void settings_must_fit_together(void)
{
    ccol_settings *settings = new_settings();
    ccol_settings_set(settings, "memory-budget", "10MiB", NULL);
    ccol_settings_set(settings, "retry-first", "2m", NULL);
    ccol_settings_set(settings, "fs-root", "/srv/x", NULL);
    ccol_settings_set(settings, "spool-dir", "/srv/x", NULL);
    CHECK_INT(check_all(settings), 3);
    CHECK(strstr(mistakes, "CRASHCOLLECT_MEMORY_BUDGET=10MiB: smaller than one body may be"));
    CHECK(strstr(mistakes, "CRASHCOLLECT_RETRY_FIRST=2m: longer than the longest pause"));
    CHECK(strstr(mistakes, "CRASHCOLLECT_SPOOL_DIR=/srv/x: the same folder"));
    ccol_settings_free(settings);
}

static const char *write_file(const char *name, const char *text, size_t length)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    REQUIRE(file && fwrite(text, 1, length, file) == length && fclose(file) == 0);
    return path;
}

static void file_syntax(void)
{
    static const char text[] = "# a comment\n"
                               "\n"
                               "CRASHCOLLECT_LISTEN=[::1]:9000\r\n"
                               "  CRASHCOLLECT_ACK = stored  \n"
                               "CRASHCOLLECT_DATA_DIR=\"/srv/with space\"\n"
                               "CRASHCOLLECT_CRASH_ID_PREFIX='x='\n"
                               "just words\n"
                               "=value\n"
                               "LISTEN=1.2.3.4:5\n"
                               "CRASHCOLLECT_MAX_BODIE=1\n"
                               "BREAKPAD_THROTTLER_RULES=antenna.throttler.MOZILLA_RULES\n"
                               "GUNICORN_WORKERS=4\n"
                               "CRASHCOLLECT_THREADS=3";
    ccol_settings *settings = new_settings();
    ccol_error err;
    const char *path = write_file("settings.env", text, sizeof text - 1);
    REQUIRE(ccol_settings_read_file(settings, path, &err) == 0);
    CHECK_TEXT(ccol_settings_get(settings, "listen"), "[::1]:9000");
    CHECK_TEXT(ccol_settings_get(settings, "ack"), "stored");
    CHECK_TEXT(ccol_settings_get(settings, "spool-dir"), "/srv/with space/spool");
    CHECK_TEXT(ccol_settings_get(settings, "crash-id-prefix"), "x=");
    CHECK_TEXT(ccol_settings_get(settings, "throttle-rules"), "mozilla");
    CHECK_TEXT(ccol_settings_get(settings, "threads"), "3");
    CHECK_INT(check_all(settings), 4);
    CHECK(strstr(mistakes, "settings.env:7: not a line of the form KEY=value"));
    CHECK(strstr(mistakes, "settings.env:8: not a line of the form KEY=value"));
    CHECK(strstr(mistakes, "LISTEN: no such setting ("));
    CHECK(strstr(mistakes, "CRASHCOLLECT_MAX_BODIE: no such setting ("));
    CHECK(strstr(mistakes, "settings.env:10); did you mean CRASHCOLLECT_MAX_BODY?"));
    CHECK_INT(ccol_settings_read_file(settings, "/nonexistent/file", &err), -ENOENT);
    CHECK(strstr(err.text, "cannot open the settings file /nonexistent/file"));
    CHECK_INT(ccol_settings_read_file(settings, write_file("nul", "A=1\0\n", 5), &err), CCOL_EFORMAT);
    CHECK_INT(ccol_settings_read_file(settings, write_file("empty", "", 0), &err), 0);
    CHECK_INT(ccol_settings_read_file(settings, folder, &err), -EISDIR);
    ccol_settings_free(settings);
}

static void foreign_names(void)
{
    static const char *const pairs[][4] = {
        {"STATE_DIRECTORY", "/var/lib/a:/var/lib/b", "data-dir", "/var/lib/a"},
        {"BASEDIR", "/app", "version-file", "/app/version.json"},
        {"PORT", "8080", "listen", "0.0.0.0:8080"},
        {"LOGGING_LEVEL", "WARNING", "log-level", "warning"},
        {"LOCAL_DEV_ENV", "True", "log-format", "text"},
        {"HOST_ID", "i-0123", "hostname", "i-0123"},
        {"STATSD_HOST", "statsd", "statsd-host", "statsd"},
        {"STATSD_PORT", "8200", "statsd-port", "8200"},
        {"STATSD_NAMESPACE", "mcboatface", "statsd-prefix", "mcboatface"},
        {"DUMP_ID_PREFIX", "cr-", "crash-id-prefix", "cr-"},
        {"THROTTLE_RULES", "antenna.throttler.ACCEPT_ALL", "throttle-rules", "accept-all"},
        {"BREAKPAD_THROTTLER_RULES", "MOZILLA_RULES", "throttle-rules", "mozilla"},
        {"BREAKPAD_STAGE_SUBMITTER_BEARER_TOKEN", "tok", "submitter-token", "tok"},
        {"CRASHMOVER_CONCURRENT_CRASHMOVERS", "8", "concurrent-crashmovers", "8"},
        {"CRASHMOVER_MAX_ATTEMPTS", "7", "save-attempts", "7"},
        {"CRASHMOVER_RETRY_SLEEP_SECONDS", "2", "retry-first", "2s"},
        {"CRASHMOVER_CRASHSTORAGE_CLASS", "antenna.ext.fs.crashstorage.FSCrashStorage", "storage", "fs"},
        {"CRASHSTORAGE_CLASS", "antenna.ext.crashstorage_base.NoOpCrashStorage", "storage", "null"},
        {"CRASHPUBLISH_CLASS", "antenna.ext.crashpublish_base.NoOpCrashPublish", "publish", "none"},
        {"CRASHSTORAGE_FS_ROOT", "/tmp/antenna_crashes", "fs-root", "/tmp/antenna_crashes"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        ccol_settings *settings = new_settings();
        REQUIRE(setenv(pairs[i][0], pairs[i][1], 1) == 0);
        CHECK_INT(ccol_settings_read_environment(settings, NULL), 0);
        CHECK_TEXT(ccol_settings_get(settings, pairs[i][2]), pairs[i][3]);
        /* our own name wins, whichever comes first */
        CHECK_INT(ccol_settings_set(settings, pairs[i][2], "ours", NULL), 0);
        CHECK_INT(ccol_settings_read_environment(settings, NULL), 0);
        CHECK_TEXT(ccol_settings_get(settings, pairs[i][2]), "ours");
        unsetenv(pairs[i][0]);
        ccol_settings_free(settings);
    }
    ccol_settings *settings = new_settings();
    setenv("CRASHMOVER_CRASHSTORAGE_CLASS", "antenna.ext.gcs.crashstorage.GcsCrashStorage", 1);
    setenv("STATSD_HOST", "", 1);
    setenv("LOCAL_DEV_ENV", "False", 1);
    CHECK_INT(ccol_settings_read_environment(settings, NULL), 0);
    CHECK_TEXT(ccol_settings_get(settings, "statsd-host"), "off");
    CHECK_TEXT(ccol_settings_get(settings, "log-format"), isatty(2) ? "text" : "json");
    CHECK_INT(check_all(settings), 1);
    CHECK(strstr(mistakes, "CRASHCOLLECT_STORAGE=gcs (from CRASHMOVER_CRASHSTORAGE_CLASS): \"gcs\" is unknown"));
    unsetenv("CRASHMOVER_CRASHSTORAGE_CLASS");
    unsetenv("STATSD_HOST");
    unsetenv("LOCAL_DEV_ENV");
    ccol_settings_free(settings);
}

/* A variable of another program counts only where a part that was chosen takes it; one of ours always does. */
static void foreign_names_of_parts_not_chosen(void)
{
    static const char *const pairs[][5] = {
        {"AWS_CA_BUNDLE", "storage", "fs,s3", "s3-bucket", "CRASHCOLLECT_S3_CA_FILE=/nonexistent/x"},
        {"AWS_ENDPOINT_URL_S3", "storage", "s3", "s3-bucket", "CRASHCOLLECT_S3_ENDPOINT_URL=/nonexistent/x"},
        {"CRASHPUBLISH_ENDPOINT_URL", "publish", "sqs", "sqs-queue", "CRASHCOLLECT_SQS_ENDPOINT_URL=/nonexistent/x"},
        {"GOOGLE_APPLICATION_CREDENTIALS", "publish", "pubsub", "pubsub-topic",
         "CRASHCOLLECT_PUBSUB_KEY_FILE=/nonexistent/x"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char told[120];
        snprintf(told, sizeof told, "%s (from %s): ", pairs[i][4], pairs[i][0]);
        for (ccol_program program = CCOL_PROGRAM_COLLECTOR; program <= CCOL_PROGRAM_MONITOR; program++) {
            ccol_settings *settings = new_settings();
            ccol_settings_set_program(settings, program);
            REQUIRE(setenv(pairs[i][0], "/nonexistent/x", 1) == 0);
            CHECK_INT(ccol_settings_read_environment(settings, NULL), 0);
            unsetenv(pairs[i][0]);
            CHECK_INT(check_all(settings), 0);
            CHECK_INT(ccol_settings_set(settings, pairs[i][3], "crashes", NULL), 0);
            CHECK_INT(ccol_settings_set(settings, pairs[i][1], pairs[i][2], NULL), 0);
            CHECK_INT(check_all(settings), 1);
            CHECK(strstr(mistakes, told));
            ccol_settings_free(settings);
        }
    }
    ccol_settings *settings = new_settings();
    CHECK_INT(ccol_settings_set(settings, "s3-ca-file", "/nonexistent/x", NULL), 0);
    REQUIRE(setenv("SECRET_SENTRY_DSN", "nonsense", 1) == 0);
    CHECK_INT(ccol_settings_read_environment(settings, NULL), 0);
    unsetenv("SECRET_SENTRY_DSN");
    CHECK_INT(check_all(settings), 2);
    ccol_settings_free(settings);
}

static void unknown_variables(void)
{
    ccol_settings *settings = new_settings();
    setenv("CRASHCOLLECT_STORGE", "fs", 1);
    setenv("CRASHCOLLECT_COMPLETELY_DIFFERENT_THING", "topsecret", 1);
    setenv("CRASHCOLLECT_PORT_8000_TCP_ADDR", "10.0.0.1", 1); /* as Kubernetes does for a service of that name */
    setenv("CRASHCOLLECT_SERVICE_HOST", "10.0.0.1", 1);
    setenv("CRASHCOLLECT_LIBRARY", "/usr/lib/libcrashcollect.so.0", 1); /* Python's */
    setenv("CRASHCOLLECT_PORT", "tcp://10.0.0.1:8000", 1);
    setenv("SOMETHING_ELSE", "1", 1);
    CHECK_INT(ccol_settings_read_environment(settings, NULL), 0);
    CHECK_INT(ccol_settings_read_environment(settings, NULL), 0); /* reading twice tells once */
    CHECK_INT(check_all(settings), 2);
    CHECK(strstr(mistakes, "CRASHCOLLECT_STORGE: no such setting (environment); did you mean CRASHCOLLECT_STORAGE?"));
    CHECK(strstr(mistakes, "CRASHCOLLECT_COMPLETELY_DIFFERENT_THING: no such setting (environment); `"));
    CHECK(!strstr(mistakes, "topsecret"));
    static const char *const names[] = {"CRASHCOLLECT_STORGE",
                                        "CRASHCOLLECT_COMPLETELY_DIFFERENT_THING",
                                        "CRASHCOLLECT_PORT_8000_TCP_ADDR",
                                        "CRASHCOLLECT_SERVICE_HOST",
                                        "CRASHCOLLECT_LIBRARY",
                                        "CRASHCOLLECT_PORT",
                                        "SOMETHING_ELSE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
    ccol_settings_free(settings);
}

static void options_beat_environment_beats_file(void)
{
    static const char text[] = "CRASHCOLLECT_THREADS=1\nCRASHCOLLECT_CONNECTIONS=1\nCRASHCOLLECT_MAX_PARTS=1\n";
    char config[300];
    snprintf(config, sizeof config, "--config=%s", write_file("precedence.env", text, sizeof text - 1));
    setenv("CRASHCOLLECT_CONNECTIONS", "2", 1);
    setenv("CRASHCOLLECT_MAX_PARTS", "2", 1);
    const char *argv[] = {"crashcollectd", "--max-parts", "3", config, "--ack=queued", "rest", "--listen"};
    ccol_settings *settings = new_settings();
    int next = 0;
    REQUIRE(ccol_settings_read_options(settings, 7, (char *const *)argv, &next, NULL) == 0);
    CHECK_INT(next, 5);
    CHECK_TEXT(ccol_settings_get(settings, "threads"), "1");
    CHECK_TEXT(ccol_settings_get(settings, "connections"), "2");
    CHECK_TEXT(ccol_settings_get(settings, "max-parts"), "3");
    CHECK_TEXT(ccol_settings_get(settings, "ack"), "queued");
    unsetenv("CRASHCOLLECT_CONNECTIONS");
    unsetenv("CRASHCOLLECT_MAX_PARTS");
    ccol_settings_free(settings);
}

static void wrong_options(void)
{
    static const char *const cases[][2] = {
        {"--listn=x", "unknown option --listn; did you mean --listen?"},
        {"--quite-another-thing", "unknown option --quite-another-thing"},
        {"-l", "unknown option -l"},
        {"--CRASHCOLLECT_LISTEN=x", "unknown option --CRASHCOLLECT_LISTEN"},
        {"--listen", "option --listen needs a value: ADDRESS"},
        {"--config", "option --config needs a value: FILE"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ccol_settings *settings = new_settings();
        const char *argv[] = {"crashcollectd", cases[i][0]};
        ccol_error err;
        int next;
        CHECK_INT(ccol_settings_read_options(settings, 2, (char *const *)argv, &next, &err), CCOL_EFORMAT);
        CHECK_TEXT(err.text, cases[i][1]);
        ccol_settings_free(settings);
    }
}

static char listing[16384];

static void list(void *user, const ccol_setting *setting)
{
    (void)user;
    size_t used = strlen(listing);
    snprintf(listing + used, sizeof listing - used, "%s=%s\n", setting->variable, setting->value);
}

static void secrets_are_masked(void)
{
    ccol_settings *settings = new_settings();
    ccol_settings_set(settings, "submitter-token", "hunter2", NULL);
    ccol_settings_each(settings, list, NULL);
    CHECK(strstr(listing, "CRASHCOLLECT_SUBMITTER_TOKEN=*****\n"));
    CHECK(strstr(listing, "CRASHCOLLECT_ADMIN_AUTH=\n"));
    CHECK(strstr(listing, "CRASHCOLLECT_ACK=spooled\n"));
    CHECK(!strstr(listing, "hunter2"));
    CHECK_TEXT(ccol_settings_get(settings, "submitter-token"), "hunter2");
    ccol_settings_free(settings);
}

int main(void)
{
    REQUIRE(clearenv() == 0); /* what the caller has set must not matter */
    REQUIRE(mkdtemp(folder) != NULL);
    RUN(values);
    RUN(addresses);
    RUN(defaults);
    RUN(every_mistake_is_told);
    RUN(settings_must_fit_together);
    RUN(file_syntax);
    RUN(foreign_names);
    RUN(foreign_names_of_parts_not_chosen);
    RUN(unknown_variables);
    RUN(options_beat_environment_beats_file);
    RUN(wrong_options);
    RUN(secrets_are_masked);
    ccol_settings_free(NULL);
    static const char *const files[] = {"settings.env", "nul", "empty", "precedence.env"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    CHECK_INT(rmdir(folder), 0);
    return check_done();
}
