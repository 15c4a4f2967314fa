/* SPDX-License-Identifier: MIT */
#include "net/aws_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "base/xml.h"

#define TEXT_MAX 16384 /* of one field; session tokens have about 1 kB, web identities some more */

static void wipe(const char *text)
{
    char *ours = (char *)(uintptr_t)text;
    if (ours) explicit_bzero(ours, strlen(ours));
    free(ours);
}

struct aws_keys *ccol__aws_keys_new(const char *id, const char *secret, const char *token, int64_t expires_us,
                                    const char *source)
{
    struct aws_keys *keys = calloc(1, sizeof *keys);
    if (!keys) return NULL;
    atomic_init(&keys->references, 1);
    keys->keys = (struct sigv4_keys){strdup(id), strdup(secret), strdup(token ? token : "")};
    keys->fetched_us = ccol__clock_now_us();
    keys->expires_us = expires_us;
    keys->source = source;
    if (keys->keys.access_key_id && keys->keys.secret && keys->keys.session_token) return keys;
    ccol__aws_keys_unref(keys);
    return NULL;
}

struct aws_keys *ccol__aws_keys_ref(struct aws_keys *keys)
{
    if (keys) atomic_fetch_add_explicit(&keys->references, 1, memory_order_relaxed);
    return keys;
}

void ccol__aws_keys_unref(struct aws_keys *keys)
{
    if (!keys || atomic_fetch_sub_explicit(&keys->references, 1, memory_order_acq_rel) != 1) return;
    wipe(keys->keys.access_key_id);
    wipe(keys->keys.secret);
    wipe(keys->keys.session_token);
    free(keys);
}

int64_t ccol__aws_time(const char *text)
{
    int year, month, day, hour, minute, second;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) != 6) return 0;
    int64_t days = ccol__clock_days(year, month, day);
    if (days == INT64_MIN || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return 0;
    return ((days * 24 + hour) * 60 + minute) * 60000000 + second * INT64_C(1000000);
}

/* The fields of an answer, NULL where they are missing. */
struct fields {
    const char *id, *secret, *token, *expiration;
};

static int make_keys(struct aws_keys **out, const struct fields *fields, const char *source, ccol_error *err)
{
    if (!fields->id || !*fields->id || !fields->secret || !*fields->secret)
        return ccol_fail(err, CCOL_EREMOTE, "%s: an answer without keys", source);
    int64_t expires = fields->expiration ? ccol__aws_time(fields->expiration) : 0;
    if (fields->expiration && !expires)
        return ccol_fail(err, CCOL_EREMOTE, "%s: keys with an expiration that is no time", source);
    *out = ccol__aws_keys_new(fields->id, fields->secret, fields->token, expires, source);
    return *out ? 0 : ccol_fail(err, -ENOMEM, "%s", source);
}

static const char *member(const struct json *object, const char *name)
{
    const struct json *found = ccol__json_member(object, name);
    return found && found->type == JSON_STRING ? found->text : NULL;
}

static int read_object(struct aws_keys **out, const struct json *root, const char *source, ccol_error *err)
{
    char told[160];
    const struct fields fields = {member(root, "AccessKeyId"), member(root, "SecretAccessKey"), member(root, "Token"),
                                  member(root, "Expiration")};
    const char *code = member(root, "Code"), *message = member(root, "Message");
    if (!message) message = member(root, "message");
    if ((code && strcmp(code, "Success") != 0) || (!fields.id && message)) {
        const char *text = message ? message : code;
        return ccol_fail(err, CCOL_EREMOTE, "%s: %s", source,
                         ccol__text_for_log(told, sizeof told, text, strlen(text)));
    }
    return make_keys(out, &fields, source, err);
}

int ccol__aws_keys_from_json(struct aws_keys **out, const char *text, size_t length, const char *source,
                             ccol_error *err)
{
    static const struct json_limits limits = {.depth = 8, .number_length = 32};
    struct arena arena;
    struct json *root = NULL;
    ccol__arena_init(&arena, NULL);
    int code = ccol__json_parse(&arena, text ? text : "", length, &limits, &root, NULL);
    if (code || root->type != JSON_OBJECT)
        code = ccol_fail(err, CCOL_EREMOTE, "%s: an answer that is no JSON object", source);
    else
        code = read_object(out, root, source, err);
    ccol__arena_wipe(&arena);
    ccol__arena_fini(&arena);
    return code;
}

int ccol__aws_keys_from_xml(struct aws_keys **out, const char *text, size_t length, const char *source, ccol_error *err)
{
    static const char *const names[] = {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"};
    struct buffer values[4];
    const char *found[4];
    int code = 0;
    for (int i = 0; i < 4; i++) {
        ccol__buffer_init(&values[i], TEXT_MAX, NULL);
        bool there = ccol__xml_find(&values[i], text, length, names[i]);
        if (values[i].failed) code = -ENOMEM;
        found[i] = there ? values[i].data : NULL;
    }
    const struct fields fields = {found[0], found[1], found[2], found[3]};
    code = code ? ccol_fail(err, code, "%s", source) : make_keys(out, &fields, source, err);
    for (int i = 0; i < 4; i++) {
        ccol__buffer_wipe(&values[i]);
    }
    return code;
}
