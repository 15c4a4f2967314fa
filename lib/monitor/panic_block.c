/* SPDX-License-Identifier: MIT */
#include "monitor/panic_block.h"

#include <string.h>

#define PREFIX_MAX  160
#define TRIM_WITHIN 40
#define VALUE_MAX   ((size_t)32 << 10)
#define SAME_WITHIN 4 /* frames among which equal texts are kept once: recursion repeats itself */

void ccol__block_init(struct panic_block *block, enum panic_runtime runtime, struct block_frame *frames)
{
    *block = (struct panic_block){.runtime = runtime, .frames = frames};
    ccol__buffer_init(&block->text, BLOCK_TEXT_MAX, NULL);
    ccol__buffer_append(&block->text, "", 1); /* offset 0 */
}

void ccol__block_fini(struct panic_block *block)
{
    ccol__buffer_fini(&block->text);
    for (size_t i = 0; i < block->exception_count; i++)
        ccol__buffer_fini(&block->exceptions[i].value);
    block->exception_count = 0;
}

uint32_t ccol__block_text(struct panic_block *block, struct span text)
{
    if (!text.length || !block->text.length) return 0;
    if (text.length + 1 > BLOCK_TEXT_MAX - block->text.length) {
        block->truncated = true;
        return 0;
    }
    uint32_t offset = (uint32_t)block->text.length;
    char *room = ccol__buffer_reserve(&block->text, text.length + 1);
    if (!room) {
        block->truncated = true;
        return 0;
    }
    memcpy(room, text.text, text.length);
    room[text.length] = '\0';
    block->text.length += text.length + 1;
    return offset;
}

struct block_exception *ccol__block_last(struct panic_block *block)
{
    return &block->exceptions[block->exception_count - 1];
}

struct block_exception *ccol__block_exception(struct panic_block *block, struct span type, struct span value)
{
    if (block->exception_count == PANIC_EXCEPTIONS_MAX) {
        block->truncated = true;
        return ccol__block_last(block);
    }
    struct block_exception *exception = &block->exceptions[block->exception_count++];
    *exception = (struct block_exception){.type = ccol__block_text(block, type), .first = block->frame_count};
    ccol__buffer_init(&exception->value, VALUE_MAX, NULL);
    if (value.length) ccol__block_value_line(block, value);
    return exception;
}

void ccol__block_value_line(struct panic_block *block, struct span line)
{
    struct block_exception *exception = ccol__block_last(block);
    struct buffer *value = &exception->value;
    size_t newline = exception->value_lines > 0;
    if (exception->value_lines >= BLOCK_VALUE_LINES || line.length + newline > VALUE_MAX - value->length) {
        block->truncated = true;
        return;
    }
    exception->value_lines++;
    if (newline) ccol__buffer_append(value, "\n", 1);
    if (!ccol__buffer_append(value, line.text, line.length)) block->truncated = true;
}

/* The offset of an equal text among the last few frames, or of a new copy. */
static uint32_t function_text(struct panic_block *block, struct span function)
{
    size_t last = block->frame_count;
    for (size_t i = last > SAME_WITHIN ? last - SAME_WITHIN : 0; i < last; i++)
        if (ccol__span_equals(function, block->text.data + block->frames[i].function)) return block->frames[i].function;
    return ccol__block_text(block, function);
}

static uint32_t file_text(struct panic_block *block, struct span file)
{
    size_t last = block->frame_count;
    for (size_t i = last > SAME_WITHIN ? last - SAME_WITHIN : 0; i < last; i++)
        if (ccol__span_equals(file, block->text.data + block->frames[i].file)) return block->frames[i].file;
    return ccol__block_text(block, file);
}

struct block_frame *ccol__block_frame(struct panic_block *block, struct span function, bool inner_last)
{
    static struct block_frame beyond; /* written, never read */
    struct block_exception *exception = ccol__block_last(block);
    size_t slot = exception->count;
    if (slot == PANIC_FRAMES_MAX || block->frame_count == BLOCK_FRAMES_MAX) {
        block->truncated = true;
        exception->left_out++;
        if (!inner_last || !slot) return &beyond;
        slot = (exception->left_out - 1) % slot; /* the outermost gives way */
    } else {
        exception->count++;
        block->frame_count++;
    }
    struct block_frame *frame = &block->frames[exception->first + slot];
    *frame = (struct block_frame){0};
    frame->function = function_text(block, function);
    return frame;
}

bool ccol__block_place(struct panic_block *block, struct block_frame *frame, struct span place)
{
    uint64_t numbers[2];
    size_t count = 0;
    while (count < 2) {
        size_t colon = ccol__span_find_last(place, ":");
        if (colon == SIZE_MAX || colon == 0) break;
        struct span rest = ccol__span_from(place, colon + 1);
        if (!ccol__span_number(&rest, &numbers[count]) || rest.length) break;
        place = ccol__span_to(place, colon);
        count++;
    }
    if (!count) return false;
    frame->file = file_text(block, place);
    frame->line = (unsigned)numbers[count - 1];
    frame->column = count == 2 ? (unsigned)numbers[0] : 0;
    return true;
}

static void reverse(struct block_frame *frames, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct block_frame frame = frames[i];
        frames[i] = frames[count - 1 - i];
        frames[count - 1 - i] = frame;
    }
}

void ccol__block_reverse_frames(struct panic_block *block)
{
    for (size_t i = 0; i < block->exception_count; i++) {
        struct block_exception *exception = &block->exceptions[i];
        struct block_frame *frames = block->frames + exception->first;
        size_t turn = exception->count ? exception->left_out % exception->count : 0;
        /* The oldest stands at `turn`: reversing both parts puts the newest first. */
        reverse(frames, turn);
        reverse(frames + turn, exception->count - turn);
    }
}

void ccol__block_reverse_exceptions(struct panic_block *block)
{
    for (size_t i = 0; i < block->exception_count / 2; i++) {
        struct block_exception exception = block->exceptions[i];
        block->exceptions[i] = block->exceptions[block->exception_count - 1 - i];
        block->exceptions[block->exception_count - 1 - i] = exception;
    }
}

void ccol__block_trim(struct panic_block *block, struct block_exception *exception, bool (*is_inner)(const char *name))
{
    size_t drop = 0;
    for (size_t i = 0; i < exception->count && i < TRIM_WITHIN; i++)
        if (is_inner(block->text.data + block->frames[exception->first + i].function)) drop = i + 1;
    if (drop == exception->count) return;
    exception->first += drop;
    exception->count -= drop;
}

struct span ccol__span(const char *text, size_t length)
{
    return (struct span){text, length};
}

struct span ccol__span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

bool ccol__span_starts(struct span span, const char *prefix)
{
    size_t length = strlen(prefix);
    return span.length >= length && memcmp(span.text, prefix, length) == 0;
}

bool ccol__span_ends(struct span span, const char *suffix)
{
    size_t length = strlen(suffix);
    return span.length >= length && memcmp(span.text + span.length - length, suffix, length) == 0;
}

bool ccol__span_equals(struct span span, const char *text)
{
    return strlen(text) == span.length && memcmp(span.text, text, span.length) == 0;
}

size_t ccol__span_find(struct span span, const char *needle)
{
    const char *found = memmem(span.text, span.length, needle, strlen(needle));
    return found ? (size_t)(found - span.text) : SIZE_MAX;
}

size_t ccol__span_find_last(struct span span, const char *needle)
{
    size_t length = strlen(needle);
    for (size_t at = span.length; at >= length; at--)
        if (memcmp(span.text + at - length, needle, length) == 0) return at - length;
    return SIZE_MAX;
}

struct span ccol__span_from(struct span span, size_t start)
{
    if (start > span.length) start = span.length;
    return (struct span){span.text + start, span.length - start};
}

struct span ccol__span_to(struct span span, size_t length)
{
    return (struct span){span.text, length < span.length ? length : span.length};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span ccol__span_trim(struct span span)
{
    while (span.length && is_blank(span.text[0]))
        span = ccol__span_from(span, 1);
    while (span.length && is_blank(span.text[span.length - 1]))
        span.length--;
    return span;
}

bool ccol__span_is_blank(struct span span)
{
    return ccol__span_trim(span).length == 0;
}

bool ccol__span_number(struct span *span, uint64_t *out)
{
    size_t digits = 0;
    *out = 0;
    while (digits < span->length && span->text[digits] >= '0' && span->text[digits] <= '9') {
        if (*out < UINT32_MAX) *out = *out * 10 + (uint64_t)(span->text[digits] - '0'); /* enough for all that counts */
        digits++;
    }
    *span = ccol__span_from(*span, digits);
    return digits > 0;
}

bool ccol__span_is_prefix(struct span line, size_t at)
{
    return at == 0 || (at <= PREFIX_MAX && strchr(" \t:|]>)", line.text[at - 1]) != NULL);
}

size_t ccol__span_next_start(struct span line, size_t at)
{
    for (at++; at < line.length && at <= PREFIX_MAX; at++)
        if (line.text[at - 1] == ' ' && at >= 2 && strchr(":|]>", line.text[at - 2])) return at;
    return SIZE_MAX;
}

size_t ccol__span_find_head(struct span line, const char *head)
{
    size_t at = ccol__span_find(ccol__span_to(line, PREFIX_MAX + strlen(head)), head);
    return at != SIZE_MAX && ccol__span_is_prefix(line, at) ? at : SIZE_MAX;
}
