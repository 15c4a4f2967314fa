/* SPDX-License-Identifier: MIT */
#include "event.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#define DEPTH_MAX 64
#define FIELD_MAX 128
#define KEY_MAX   1024 /* S3's own limit */
#define LEVELS    5    /* as deep as what we look for lies */
#define GROUPS    "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxTdddddd"

/* One record as far as it was read. */
struct record {
    char source[FIELD_MAX], name[FIELD_MAX];
    char key[KEY_MAX + 1];
    size_t key_length;
};

struct reading {
    unsigned depth;
    struct step {
        bool is_list;
        char member[FIELD_MAX]; /* of an object: the one we are in */
    } path[LEVELS];
    bool has_records;
    struct record record;
    event_fn each;
    void *user;
    int result;
};

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* As collectors make them: lower-case hex groups, throttle digit 0 or 1, six digits of a date. */
static bool is_crash_id(const char *text)
{
    for (size_t i = 0; i < EVENT_ID_LENGTH; i++) {
        char wanted = GROUPS[i], c = text[i];
        bool good = wanted == 'x'   ? is_hex(c)
                    : wanted == 'T' ? c == '0' || c == '1'
                    : wanted == 'd' ? is_digit(c)
                                    : c == wanted;
        if (!good) return false;
    }
    return true;
}

static int hex_value(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Undoes %XX and '+'. false: too long. */
static bool decode(const char *key, size_t length, char out[KEY_MAX + 1], size_t *out_length)
{
    size_t made = 0;
    for (size_t i = 0; i < length; i++) {
        if (made == KEY_MAX) return false;
        int high = i + 2 < length && key[i] == '%' ? hex_value(key[i + 1]) : -1;
        int low = high >= 0 ? hex_value(key[i + 2]) : -1;
        out[made++] = low >= 0 ? (char)(high * 16 + low) : key[i] == '+' ? ' ' : key[i];
        if (low >= 0) i += 2;
    }
    out[made] = '\0';
    *out_length = made;
    return true;
}

static bool all_digits(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(text[i])) return false;
    }
    return true;
}

enum event_result event_read_key(const char *key, size_t length, char id[EVENT_ID_LENGTH + 1])
{
    static const char v2[] = "v2/raw_crash/xxx/YYYYMMDD/", v1[] = "v1/raw_crash/YYYYMMDD/";
    char text[KEY_MAX + 1];
    id[0] = '\0';
    if (!decode(key, length, text, &length) || length < EVENT_ID_LENGTH) return EVENT_IGNORED;
    size_t before = length - EVENT_ID_LENGTH;
    const char *found = text + before;
    if (!is_crash_id(found)) return EVENT_IGNORED;
    bool is_v2 = before == sizeof v2 - 1 && memcmp(text, v2, 13) == 0 && memcmp(text + 13, found, 3) == 0 &&
                 text[16] == '/' && all_digits(text + 17, 8) && text[25] == '/';
    bool is_v1 = before == sizeof v1 - 1 && memcmp(text, v1, 13) == 0 && all_digits(text + 13, 8) && text[21] == '/';
    if (!is_v1 && !is_v2) return EVENT_IGNORED;
    if (found[EVENT_ID_LENGTH - 7] == '1') return EVENT_DEFERRED;
    memcpy(id, found, EVENT_ID_LENGTH + 1);
    return EVENT_ACCEPTED;
}

/* AWS says "ObjectCreated:Put", some stores "s3:ObjectCreated:Put"; large bodies end in CompleteMultipartUpload. */
static bool tells_of_an_object(const struct record *record)
{
    const char *name = strncmp(record->name, "s3:", 3) == 0 ? record->name + 3 : record->name;
    bool known = strcmp(record->source, "aws:s3") == 0 || strcmp(record->source, "ceph:s3") == 0;
    return known &&
           (strcmp(name, "ObjectCreated:Put") == 0 || strcmp(name, "ObjectCreated:CompleteMultipartUpload") == 0);
}

static int end_record(struct reading *reading)
{
    char id[EVENT_ID_LENGTH + 1] = "";
    const struct record *record = &reading->record;
    enum event_result result =
        tells_of_an_object(record) ? event_read_key(record->key, record->key_length, id) : EVENT_IGNORED;
    reading->result = reading->each(reading->user, result, id);
    reading->record = (struct record){.source = ""};
    return reading->result == 0;
}

#define LIST NULL

/* Whether we are in these members, LIST standing for an element of a list. */
static bool at(const struct reading *reading, unsigned depth, const char *const *path)
{
    if (reading->depth < depth) return false;
    for (unsigned i = 0; i < depth; i++) {
        const struct step *step = &reading->path[i];
        if (step->is_list != (path[i] == LIST)) return false;
        if (path[i] != LIST && strcmp(step->member, path[i]) != 0) return false;
    }
    return true;
}

static bool just_at(const struct reading *reading, unsigned depth, const char *const *path)
{
    return reading->depth == depth && at(reading, depth, path);
}

static void keep_field(char out[FIELD_MAX], const unsigned char *text, size_t length)
{
    bool fits = length < FIELD_MAX && !memchr(text, '\0', length);
    if (fits) memcpy(out, text, length);
    out[fits ? length : 0] = '\0';
}

static int open_level(struct reading *reading, bool is_list)
{
    if (reading->depth == DEPTH_MAX) return 0;
    if (reading->depth < LEVELS) reading->path[reading->depth] = (struct step){.is_list = is_list};
    reading->depth++;
    return 1;
}

static int start_map(void *user)
{
    return open_level(user, false);
}

static int map_key(void *user, const unsigned char *key, size_t length)
{
    struct reading *reading = user;
    if (reading->depth <= LEVELS) keep_field(reading->path[reading->depth - 1].member, key, length);
    return 1;
}

static const char *const records[] = {"Records", LIST};

static int end_map(void *user)
{
    struct reading *reading = user;
    reading->depth--;
    return just_at(reading, 2, records) ? end_record(reading) : 1;
}

static int start_array(void *user)
{
    struct reading *reading = user;
    if (just_at(reading, 1, records)) reading->has_records = true;
    return open_level(reading, true);
}

static int end_array(void *user)
{
    struct reading *reading = user;
    reading->depth--;
    return 1;
}

static int string(void *user, const unsigned char *text, size_t length)
{
    static const char *const source[] = {"Records", LIST, "eventSource"};
    static const char *const name[] = {"Records", LIST, "eventName"};
    static const char *const key[] = {"Records", LIST, "s3", "object", "key"};
    struct reading *reading = user;
    struct record *record = &reading->record;
    if (just_at(reading, 3, source)) keep_field(record->source, text, length);
    if (just_at(reading, 3, name)) keep_field(record->name, text, length);
    if (just_at(reading, 5, key)) {
        record->key_length = length <= KEY_MAX ? length : 0;
        memcpy(record->key, text, record->key_length);
    }
    return 1;
}

int event_read(const char *text, size_t length, event_fn each, void *user)
{
    static const yajl_callbacks callbacks = {.yajl_start_map = start_map,
                                             .yajl_map_key = map_key,
                                             .yajl_end_map = end_map,
                                             .yajl_start_array = start_array,
                                             .yajl_end_array = end_array,
                                             .yajl_string = string};
    struct reading reading = {.each = each, .user = user};
    yajl_handle parser = yajl_alloc(&callbacks, NULL, &reading);
    if (!parser) return -1;
    bool whole = yajl_parse(parser, (const unsigned char *)text, length) == yajl_status_ok &&
                 yajl_complete_parse(parser) == yajl_status_ok;
    yajl_free(parser);
    if (reading.result) return reading.result;
    return whole && reading.has_records ? 0 : -1;
}
