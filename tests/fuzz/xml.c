/* SPDX-License-Identifier: MIT */
/* Answers of S3 and STS: the elements, and what is read of them. */
#include <string.h>

#include "base/xml.h"
#include "fuzz.h"
#include "net/aws_keys.h"

static void read_keys(const char *text, size_t size)
{
    struct aws_keys *keys = NULL;
    ccol_error err = {0};
    int code = ccol__aws_keys_from_xml(&keys, text, size, "fuzz", &err);
    PROPERTY((code == 0) == (keys != NULL) && code == err.code);
    if (keys) PROPERTY(keys->keys.access_key_id[0] && keys->keys.secret[0]);
    ccol__aws_keys_unref(keys);
    keys = NULL;
    code = ccol__aws_keys_from_json(&keys, text, size, "fuzz", &err);
    PROPERTY((code == 0) == (keys != NULL));
    ccol__aws_keys_unref(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1); /* not longer, so that a byte too far is seen */
    PROPERTY(text);
    if (size) memcpy(text, data, size);
    struct xml xml = {text, text + size};
    struct xml_leaf leaf;
    struct buffer out;
    ccol__buffer_init(&out, size + 1, NULL);
    const char *before = text;
    while (ccol__xml_next(&xml, &leaf)) {
        PROPERTY(xml.at > before && xml.at <= xml.end);
        before = xml.at;
        PROPERTY(leaf.name > text && leaf.name + leaf.name_length <= leaf.text);
        PROPERTY(leaf.text + leaf.text_length <= xml.end);
        PROPERTY(!leaf.text_length || !memchr(leaf.text, '<', leaf.text_length));
        ccol__buffer_clear(&out);
        ccol__xml_text(&out, &leaf);
        PROPERTY(!out.failed && out.length <= leaf.text_length); /* escapes only shrink */
    }
    PROPERTY(xml.at == xml.end);
    ccol__buffer_fini(&out);
    read_keys(text, size);
    free(text);
    return 0;
}
