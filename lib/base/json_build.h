/* SPDX-License-Identifier: MIT */
/* Making JSON trees in memory. Failure sticks: check `failed` once, at the end. Not thread-safe. */
#ifndef CCOL_BASE_JSON_BUILD_H
#define CCOL_BASE_JSON_BUILD_H

#include "base/json.h"

struct json_builder {
    struct arena *arena; /* holds all of it */
    bool failed;         /* memory was out; what came after is missing */
};

/* NULL only after a failure; every function takes that. Texts are copied, at most `length` bytes of them. */
struct json *ccol__json_new(struct json_builder *builder, enum json_type type);
struct json *ccol__json_new_text(struct json_builder *builder, const char *text, size_t length);
struct json *ccol__json_new_number(struct json_builder *builder, int64_t number);

/* Put a value, which must be in no container yet, behind the last one. Keys are copied. */
void ccol__json_put(struct json_builder *builder, struct json *object, const char *key, struct json *value);
void ccol__json_push(struct json_builder *builder, struct json *array, struct json *value);
/* The same in front of the first one. */
void ccol__json_push_front(struct json_builder *builder, struct json *array, struct json *value);

/* A new value in one go. A text that is NULL or "" is left out. */
void ccol__json_put_text(struct json_builder *builder, struct json *object, const char *key, const char *text);
void ccol__json_put_number(struct json_builder *builder, struct json *object, const char *key, int64_t number);
void ccol__json_put_bool(struct json_builder *builder, struct json *object, const char *key, bool value);
struct json *ccol__json_put_object(struct json_builder *builder, struct json *object, const char *key);
struct json *ccol__json_put_array(struct json_builder *builder, struct json *object, const char *key);

/* Puts all members of `from` into `object`: objects that both have are merged, other values of `from` win. Values are
 * shared, so `from` must live in the same arena. */
void ccol__json_merge(struct json_builder *builder, struct json *object, const struct json *from);

/* Reading; `object` may be anything or NULL. The text of a string member, or NULL. */
const char *ccol__json_text(const struct json *object, const char *key);
/* The first element of a list member, or NULL. */
const struct json *ccol__json_list(const struct json *object, const char *key);
/* A whole number that is not negative, or false. */
bool ccol__json_count(const struct json *object, const char *key, uint64_t *out);
bool ccol__json_is_true(const struct json *object, const char *key);
/* A member that is an object, or NULL. */
const struct json *ccol__json_object(const struct json *object, const char *key);

#endif
