/* SPDX-License-Identifier: MIT */
#include "base/json_build.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct json *ccol__json_new(struct json_builder *builder, enum json_type type)
{
    struct json *value = builder->failed ? NULL : ccol__arena_alloc(builder->arena, sizeof *value);
    if (!value) {
        builder->failed = true;
        return NULL;
    }
    *value = (struct json){.type = type};
    return value;
}

static struct json *new_with_text(struct json_builder *builder, enum json_type type, const char *text, size_t length)
{
    struct json *value = ccol__json_new(builder, type);
    if (!value) return NULL;
    value->text = ccol__arena_copy(builder->arena, text, length);
    value->length = length;
    if (value->text) return value;
    builder->failed = true;
    return NULL;
}

struct json *ccol__json_new_text(struct json_builder *builder, const char *text, size_t length)
{
    return new_with_text(builder, JSON_STRING, text, length);
}

struct json *ccol__json_new_number(struct json_builder *builder, int64_t number)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRId64, number);
    return new_with_text(builder, JSON_NUMBER, text, (size_t)length);
}

void ccol__json_push(struct json_builder *builder, struct json *array, struct json *value)
{
    if (builder->failed || !array || !value) return;
    struct json **end = &array->first;
    while (*end)
        end = &(*end)->next;
    *end = value;
}

void ccol__json_push_front(struct json_builder *builder, struct json *array, struct json *value)
{
    if (builder->failed || !array || !value) return;
    value->next = array->first;
    array->first = value;
}

void ccol__json_put(struct json_builder *builder, struct json *object, const char *key, struct json *value)
{
    if (builder->failed || !object || !value) return;
    value->key_length = strlen(key);
    value->key = ccol__arena_copy(builder->arena, key, value->key_length);
    if (value->key)
        ccol__json_push(builder, object, value);
    else
        builder->failed = true;
}

void ccol__json_put_text(struct json_builder *builder, struct json *object, const char *key, const char *text)
{
    if (text && *text) ccol__json_put(builder, object, key, ccol__json_new_text(builder, text, strlen(text)));
}

void ccol__json_put_number(struct json_builder *builder, struct json *object, const char *key, int64_t number)
{
    ccol__json_put(builder, object, key, ccol__json_new_number(builder, number));
}

void ccol__json_put_bool(struct json_builder *builder, struct json *object, const char *key, bool value)
{
    ccol__json_put(builder, object, key, ccol__json_new(builder, value ? JSON_TRUE : JSON_FALSE));
}

static struct json *put_container(struct json_builder *builder, struct json *object, const char *key,
                                  enum json_type type)
{
    struct json *value = ccol__json_new(builder, type);
    ccol__json_put(builder, object, key, value);
    return value;
}

struct json *ccol__json_put_object(struct json_builder *builder, struct json *object, const char *key)
{
    return put_container(builder, object, key, JSON_OBJECT);
}

struct json *ccol__json_put_array(struct json_builder *builder, struct json *object, const char *key)
{
    return put_container(builder, object, key, JSON_ARRAY);
}

void ccol__json_merge(struct json_builder *builder, struct json *object, const struct json *from)
{
    if (builder->failed || !object || !from || from->type != JSON_OBJECT) return;
    for (const struct json *member = from->first; member; member = member->next) {
        struct json *mine = (struct json *)(uintptr_t)ccol__json_member(object, member->key);
        if (mine && mine->type == JSON_OBJECT && member->type == JSON_OBJECT) {
            ccol__json_merge(builder, mine, member);
            continue;
        }
        struct json *copy = ccol__json_new(builder, member->type);
        if (!copy) return;
        struct json *next = mine ? mine->next : NULL;
        if (!mine) mine = copy;
        *mine = *member;
        mine->next = next;
        if (mine == copy) ccol__json_push(builder, object, copy);
    }
}

static const struct json *member_of(const struct json *object, const char *key, enum json_type type)
{
    const struct json *member = object && object->type == JSON_OBJECT ? ccol__json_member(object, key) : NULL;
    return member && member->type == type ? member : NULL;
}

const char *ccol__json_text(const struct json *object, const char *key)
{
    const struct json *member = member_of(object, key, JSON_STRING);
    return member ? member->text : NULL;
}

const struct json *ccol__json_list(const struct json *object, const char *key)
{
    const struct json *member = member_of(object, key, JSON_ARRAY);
    return member ? member->first : NULL;
}

bool ccol__json_count(const struct json *object, const char *key, uint64_t *out)
{
    const struct json *member = member_of(object, key, JSON_NUMBER);
    if (!member || !member->length || member->length > 19) return false;
    uint64_t value = 0;
    for (size_t i = 0; i < member->length; i++) {
        if (member->text[i] < '0' || member->text[i] > '9') return false;
        value = value * 10 + (uint64_t)(member->text[i] - '0');
    }
    *out = value;
    return true;
}

bool ccol__json_is_true(const struct json *object, const char *key)
{
    return member_of(object, key, JSON_TRUE) != NULL;
}

const struct json *ccol__json_object(const struct json *object, const char *key)
{
    return member_of(object, key, JSON_OBJECT);
}
