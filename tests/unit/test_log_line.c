/* SPDX-License-Identifier: MIT */
/* Level, logger and message of lines as loggers really write them (tests/data/log-samples), and of some from their
 * manuals. */
#include "monitor/line_splitter.h"
#include "monitor/log_line.h"
#include "samples.h"

static const char letters[] = "-tdiwef"; /* by enum line_level */

static struct log_line_reader *new_reader(const struct log_line_options *options)
{
    struct log_line_reader *reader;
    ccol_error err = {0};
    REQUIRE(ccol__log_line_reader_new(&reader, options, &err) == 0);
    return reader;
}

struct levels {
    const struct log_line_reader *reader;
    struct buffer text;
};

static void note_level(void *user, const struct log_text *text)
{
    struct levels *levels = user;
    struct arena arena;
    struct log_line line;
    ccol__arena_init(&arena, NULL);
    CHECK(ccol__log_line_read(levels->reader, &arena, text->text, text->length, &line));
    ccol__buffer_append(&levels->text, line.continues ? "+" : letters + line.level, 1);
    ccol__arena_fini(&arena);
}

static void levels_of_the_samples(void)
{
    static const struct {
        const char *name, *levels;
    } samples[] = {
        {"slog-full", "iwef-d-"}, /* a newline in a message breaks the record */
        {"slog-compact", "-ef"},
        {"slog-term", "ef"},
        {"env_logger", "iew"},
        {"tracing", "ie"},
        {"tracing-json", "ie"},
        {"glog-fatal", "iwef-++++++++"},
        {"spdlog", "ief"},
        {"go-logrus", "ief"},
        {"go-slog", "iewee"},
        {"go-zap", "iew-+-+e-+-+"},
        {"go-zerolog", "ieff-+-+-+-+-+"},
        {"node-bunyan", "ief"},
        {"node-pino", "efi"},
        {"node-winston", "iee"},
    };
    struct log_line_reader *reader = new_reader(NULL);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct buffer text;
        struct line_splitter *splitter;
        struct levels levels = {.reader = reader};
        read_sample(&text, samples[i].name);
        ccol__buffer_init(&levels.text, 4096, NULL);
        REQUIRE(ccol__line_splitter_new(&splitter, note_level, &levels) == 0);
        ccol__line_splitter_feed(splitter, text.data, text.length);
        ccol__line_splitter_end(splitter);
        check_case = samples[i].name;
        CHECK_TEXT(levels.text.data, samples[i].levels);
        ccol__line_splitter_free(splitter);
        ccol__buffer_fini(&levels.text);
        ccol__buffer_fini(&text);
    }
    ccol__log_line_reader_free(reader);
}

struct example {
    const char *line;
    char level;
    const char *logger, *message;
};

static void check_examples(const struct example *examples, size_t count, const struct log_line_options *options)
{
    struct log_line_reader *reader = new_reader(options);
    for (size_t i = 0; i < count; i++) {
        struct arena arena;
        struct log_line line;
        char clean[4096];
        size_t length = ccol__line_clean(clean, examples[i].line, strlen(examples[i].line));
        ccol__arena_init(&arena, NULL);
        REQUIRE(ccol__log_line_read(reader, &arena, clean, length, &line));
        check_case = examples[i].line;
        CHECK_INT(letters[line.level], examples[i].level);
        if (examples[i].logger) CHECK_TEXT(line.logger, examples[i].logger);
        if (examples[i].message) CHECK_TEXT(line.message, examples[i].message);
        ccol__arena_fini(&arena);
    }
    ccol__log_line_reader_free(reader);
}

#define CHECK_EXAMPLES(list, options) check_examples(list, sizeof(list) / sizeof *(list), options)

static void texts(void)
{
    static const struct example examples[] = {
        {"Nov 21 23:15:27.082 ERRO failed 3, mc.app: full-service", 'e', "", "failed 3, mc.app: full-service"},
        {"[2026-11-21T23:15:27Z ERROR rl] failed", 'e', "rl", "failed"},
        {"[2026-11-21T23:15:27Z ERROR] failed", 'e', "", "failed"},
        {"\033[2m2026-11-21T23:15:27.096101Z\033[0m \033[31mERROR\033[0m \033[2mrl\033[0m\033[2m:\033[0m failed", 'e',
         "rl", "failed"},
        {"E20261121 23:15:27.101498 29587 g.cc:2] failed", 'e', "g.cc:2", "failed"},
        {"W1121 23:15:27.101498       1 controller.go:114] slow", 'w', "controller.go:114", "slow"},
        {"[2026-11-21 23:15:27.103] [console] [error] failed", 'e', "console", "failed"},
        {"ERROR:root:bad", 'e', "root", "bad"},
        {"2026-11-21 23:15:27,412 - app - ERROR - asctime form", 'e', "app", "asctime form"},
        {"time=2026-11-21T23:15:28.768Z level=ERROR msg=\"failed \\\"x\\\"\" err=boom", 'e', "", "failed \"x\""},
        {"2026/11/21 23:15:28 ERROR default handler", 'e', "", "default handler"},
        {"2026-11-21T23:15:28.780Z\tERROR\tgz/m.go:3\tdev failed", 'e', NULL, NULL},
        {"error: simple {}", 'e', NULL, NULL},
        {"<3>disk failed", 'e', "", "disk failed"},
        {"<11>disk failed", 'e', "", "disk failed"},
        {"<6>fine", 'i', "", "fine"},
        {"2026-11-21 23:15:27.412  WARN 1 --- [main] c.e.App : slow", 'w', NULL, NULL},
        {"2026-11-21 23:15:27 [main] ERROR c.e.App - failed", 'e', NULL, "failed"},
        {"[E 231121 23:15:27 web:2246] 500 GET /", 'e', NULL, NULL},
        {"[error] 123#0: *1 open() failed", 'e', NULL, NULL},
        {"FATAL:  the database system is starting up", 'f', NULL, NULL},
        {"2026-11-21 23:15:27.412 UTC [123] ERROR:  relation does not exist", 'e', NULL, NULL},
        {"CRITICAL worker died", 'f', NULL, "worker died"},
        {"(ERROR) in brackets", 'e', NULL, NULL},
        /* prose */
        {"no error found", '-', NULL, "no error found"},
        {"2026-11-21T23:15:27Z no error found", '-', NULL, NULL},
        {"Error handling is enabled", '-', NULL, NULL},
        {"error", '-', NULL, NULL},
        {"a fatal mistake: error", '-', NULL, NULL},
        {"ERROR-CODE table loaded", '-', NULL, NULL},
        {"one two three four five six ERROR seven", '-', NULL, NULL},
        {"INFORMATIONAL", '-', NULL, NULL},
        {"<300>no priority", '-', NULL, NULL},
        {"", '-', "", ""},
        {"E 27 is a number", '-', NULL, NULL},
        {"mylevel=error is a setting", '-', NULL, NULL},
    };
    CHECK_EXAMPLES(examples, NULL);
}

static void json(void)
{
    static const struct example examples[] = {
        {"{\"level_str\":\"ERRO\",\"level\":2,\"message\":\"m\",\"mc.module\":\"mod\"}", 'e', "mod", "m"},
        {"{\"timestamp\":\"x\",\"level\":\"ERROR\",\"fields\":{\"message\":\"failed\"},\"target\":\"rl\"}", 'e', "rl",
         "failed"},
        {"{\"level\":50,\"err\":{\"message\":\"boom\",\"stack\":\"Error: boom\\n    at x\"}}", 'e', "", "boom"},
        {"{\"levelname\":\"CRITICAL\",\"levelno\":10,\"msg\":\"m\",\"name\":\"app\"}", 'f', "app", "m"},
        {"{\"levelno\":40,\"msg\":\"m\"}", 'e', "", "m"},
        {"{\"level\":40,\"msg\":\"m\"}", 'w', "", "m"},
        {"{\"Severity\":3,\"Type\":\"app\",\"Fields\":{\"msg\":\"m\"}}", 'e', "app", "m"},
        {"{\"PRIORITY\":\"3\",\"MESSAGE\":\"m\"}", 'e', "", NULL},
        {"{\"log\":{\"level\":\"error\",\"logger\":\"x\"},\"message\":\"m\"}", 'e', "", "m"},
        {"{\"log.level\":\"WARN\",\"message\":\"m\"}", 'w', "", "m"},
        {"{\"severity\":\"ALERT\",\"message\":\"m\"}", 'f', "", "m"},
        {"{\"level\":2,\"msg\":\"ambiguous\"}", '-', "", "ambiguous"},
        {"{\"msg\":\"ERROR in a text\"}", '-', "", "ERROR in a text"},
        {"{\"level\":\"error\"", '-', NULL, NULL}, /* cut off */
        {"{}", '-', "", "{}"},
    };
    static const struct example slog[] = {{"{\"level\":2,\"msg\":\"m\"}", 'e', "", "m"},
                                          {"{\"level\":1,\"msg\":\"m\"}", 'f', "", "m"}};
    static const struct example syslog[] = {{"{\"level\":2,\"msg\":\"m\"}", 'f', "", "m"},
                                            {"{\"level\":3,\"msg\":\"m\"}", 'e', "", "m"}};
    static const struct log_line_options slog_options = {.numbers = NUMBERS_SLOG},
                                         syslog_options = {.numbers = NUMBERS_SYSLOG};
    CHECK_EXAMPLES(examples, NULL);
    CHECK_EXAMPLES(slog, &slog_options);
    CHECK_EXAMPLES(syslog, &syslog_options);
}

static void rules_come_first(void)
{
    static const char *const rules[] = {"error=^E/", "none=healthcheck", "warning=took [0-9]{4,} ms"};
    static const struct log_line_options options = {.rules = rules, .rule_count = 3};
    static const struct example examples[] = {
        {"E/Tag: it broke", 'e', NULL, NULL},
        {"ERROR healthcheck failed", '-', NULL, NULL},
        {"INFO took 12345 ms", 'w', NULL, NULL},
        {"INFO took 5 ms", 'i', NULL, NULL},
    };
    CHECK_EXAMPLES(examples, &options);
}

static void wrong_rules_are_told(void)
{
    static const struct {
        const char *rule, *text;
    } wrong[] = {{"nonsense", "LEVEL=REGEX"},
                 {"loud=x", "LEVEL=REGEX"},
                 {"error=(", "Unmatched ("},
                 {"error=(a)\\1", "back-reference"},
                 {"error=", "everything"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct log_line_options options = {.rules = &wrong[i].rule, .rule_count = 1};
        struct log_line_reader *reader = (void *)1;
        ccol_error err = {0};
        CHECK_INT(ccol__log_line_reader_new(&reader, &options, &err), CCOL_EFORMAT);
        CHECK(reader == NULL && strstr(err.text, wrong[i].text));
    }
}

static void times(void)
{
    static const struct {
        const char *line;
        int64_t us;
    } examples[] = {
        {"[2026-11-21T23:15:27Z ERROR rl] failed", INT64_C(1795302927000000)},
        {"2026-11-21T23:15:27.500+01:00 INFO x", INT64_C(1795299327500000)},
        {"2026-11-21 23:15:27,412 - app - ERROR - local time", 0},
        {"{\"level\":\"error\",\"ts\":1795302928.7802296}", INT64_C(1795302928780229)},
        {"{\"level\":50,\"time\":1795302927771}", INT64_C(1795302927771000)},
        {"time=2026-11-21T23:15:28.768Z level=INFO msg=x", INT64_C(1795302928768000)},
        {"2026-13-45T99:99:99Z INFO x", 0},
    };
    struct log_line_reader *reader = new_reader(NULL);
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct arena arena;
        struct log_line line;
        ccol__arena_init(&arena, NULL);
        check_case = examples[i].line;
        CHECK(ccol__log_line_read(reader, &arena, examples[i].line, strlen(examples[i].line), &line));
        CHECK_INT(line.time_us, examples[i].us);
        ccol__arena_fini(&arena);
    }
    ccol__log_line_reader_free(reader);
}

struct lines {
    struct buffer text;
    uint64_t end;
};

static void note_line(void *user, const struct log_text *line)
{
    struct lines *lines = user;
    CHECK_INT(line->begin, lines->end);
    CHECK_INT(line->text[line->length], '\0');
    lines->end = line->end;
    ccol__buffer_append(&lines->text, line->text, line->length < 100 ? line->length : 100);
    ccol__buffer_text(&lines->text, line->cut ? "~|" : "|");
}

static void check_split(const char *text, size_t length, const char *expected)
{
    static const size_t steps[] = {1, 3, 1 << 20};
    for (size_t i = 0; i < 3; i++) {
        struct line_splitter *splitter;
        struct lines lines = {0};
        ccol__buffer_init(&lines.text, 1 << 20, NULL);
        REQUIRE(ccol__line_splitter_new(&splitter, note_line, &lines) == 0);
        for (size_t at = 0; at < length; at += steps[i])
            ccol__line_splitter_feed(splitter, text + at, length - at < steps[i] ? length - at : steps[i]);
        ccol__line_splitter_end(splitter);
        ccol__line_splitter_end(splitter);
        CHECK_INT(lines.end, length);
        CHECK_TEXT(lines.text.data, expected);
        ccol__line_splitter_free(splitter);
        ccol__buffer_fini(&lines.text);
    }
}

static void lines_are_cleaned(void)
{
#define SPLIT(text, expected) check_split(text, sizeof(text) - 1, expected)
    SPLIT("a\r\n\nb", "a||b|");
    SPLIT("\033[31mred\033[0m \033(Btext\033]0;title\a!\n", "red text!|");
    SPLIT("link \033]8;;http://x\033\\name\033]8;;\033\\\n", "link name|");
    SPLIT("open \033]0;title without an end\nnext\n", "open |next|");
    SPLIT("cut \033[\033", "cut |");
    SPLIT("nul\0byte\n", "nulbyte|");
    SPLIT("bad \xff\xc3 utf8 \xc3\xa9\n", "bad \xEF\xBF\xBD\xEF\xBF\xBD utf8 \xC3\xA9|");
    SPLIT("\xff\xff\xff\xff\xff\n", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|");
    SPLIT("tab\tstays\n", "tab\tstays|");
#undef SPLIT
    size_t length = 1 << 20;
    char *line = malloc(length + 1);
    REQUIRE(line);
    memset(line, 'x', length);
    line[length] = '\n';
    char expected[128] = "";
    memset(expected, 'x', 100);
    memcpy(expected + 100, "~|", 3);
    check_split(line, length + 1, expected);
    free(line);
}

static void records(void)
{
    static const struct {
        const char *line;
        bool record;
    } examples[] = {
        {"{\"a\":1}", true},
        {"2026-11-21 hello", true},
        {"ERROR x", true},
        {"23:15:27 x", true},
        {"hello", false},
        {" 23:15:27 x", false},
        {"KeyError: 'k'", false},
        {"boom", false},
        {"Nov 21 23:15:27 host x: y", true},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        check_case = examples[i].line;
        CHECK_INT(ccol__log_line_is_record(examples[i].line, strlen(examples[i].line)), examples[i].record);
    }
}

int main(void)
{
    RUN(levels_of_the_samples);
    RUN(texts);
    RUN(json);
    RUN(rules_come_first);
    RUN(wrong_rules_are_told);
    RUN(times);
    RUN(lines_are_cleaned);
    RUN(records);
    return check_done();
}
