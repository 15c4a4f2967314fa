/* SPDX-License-Identifier: MIT */
/* The modules of a process as Sentry's debug images. */
#include <string.h>

#include "net/sentry_debug_id.h"
#include "storage/sentry_stack.h"

#define ID_HEX_MAX 128

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_hex(const char *text)
{
    size_t length = text ? strlen(text) : 0;
    for (size_t i = 0; i < length; i++)
        if (hex_value(text[i]) < 0) return false;
    return length >= 2 && length % 2 == 0 && length <= ID_HEX_MAX;
}

static void write_debug_id(char out[SENTRY_DEBUG_ID_SIZE], const char *hex)
{
    uint8_t bytes[ID_HEX_MAX / 2];
    size_t length = strlen(hex) / 2;
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
    ccol__sentry_debug_id(out, bytes, length);
}

static void put_image(struct json_builder *builder, struct json *images, const struct json *module)
{
    const char *build_id = ccol__json_text(module, "build_id"), *path = ccol__json_text(module, "path");
    const char *text_hash = ccol__json_text(module, "text_hash"); /* stands in for the build id, as Breakpad has it */
    char debug_id[SENTRY_DEBUG_ID_SIZE] = "00000000-0000-0000-0000-000000000000";
    uint64_t size;
    struct json *image = ccol__json_new(builder, JSON_OBJECT);
    ccol__json_put_text(builder, image, "type", "elf");
    ccol__json_put_text(builder, image, "code_file", path && *path ? path : "unknown");
    if (is_hex(build_id)) {
        write_debug_id(debug_id, build_id);
        ccol__json_put_text(builder, image, "code_id", build_id);
    } else if (is_hex(text_hash)) {
        write_debug_id(debug_id, text_hash);
    }
    ccol__json_put_text(builder, image, "debug_id", debug_id);
    ccol__json_put_text(builder, image, "image_addr", ccol__json_text(module, "address"));
    if (ccol__json_count(module, "size", &size)) ccol__json_put_number(builder, image, "image_size", (int64_t)size);
    ccol__json_push(builder, images, image);
}

void ccol__sentry_images_put(struct json_builder *builder, struct json *event, const struct json *modules,
                             unsigned most)
{
    if (!modules || !most) return;
    struct json *meta = ccol__json_put_object(builder, event, "debug_meta");
    struct json *images = ccol__json_put_array(builder, meta, "images");
    for (const struct json *module = modules; module && most; module = module->next, most--)
        put_image(builder, images, module);
}
