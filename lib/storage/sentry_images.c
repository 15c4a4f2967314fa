/* SPDX-License-Identifier: MIT */
/* The modules of a process as Sentry's debug images. */
#include <stdio.h>
#include <string.h>

#include "storage/sentry_stack.h"

#define ID_BYTES      16
#define DEBUG_ID_SIZE 37
#define ID_HEX_MAX    128

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

/* The first 16 bytes of a build id as a little-endian GUID, which is what symbol servers look ELF files up by. */
static void write_debug_id(char out[DEBUG_ID_SIZE], const char *hex)
{
    static const unsigned char order[ID_BYTES] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    unsigned char bytes[ID_BYTES] = {0};
    size_t length = strlen(hex) / 2, used = 0;
    for (size_t i = 0; i < length && i < ID_BYTES; i++)
        bytes[i] = (unsigned char)(hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
    for (size_t i = 0; i < ID_BYTES; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        used += (size_t)snprintf(out + used, DEBUG_ID_SIZE - used, "%s%02x", dash ? "-" : "", bytes[order[i]]);
    }
}

static void put_image(struct json_builder *builder, struct json *images, const struct json *module)
{
    const char *build_id = ccol__json_text(module, "build_id"), *path = ccol__json_text(module, "path");
    const char *text_hash = ccol__json_text(module, "text_hash"); /* stands in for the build id, as Breakpad has it */
    char debug_id[DEBUG_ID_SIZE] = "00000000-0000-0000-0000-000000000000";
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
