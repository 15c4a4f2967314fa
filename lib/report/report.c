/* SPDX-License-Identifier: MIT */
#include "report/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "report/record.h"

#define ANNOTATION_JSON_DEPTH    1000
#define ANNOTATION_NUMBER_LENGTH 4300

/* Makes room for one more element; the array doubles, and is charged to the budget. */
static void *grow_array(const ccol_report *report, void *array, size_t count, size_t *capacity, size_t element)
{
    if (count < *capacity) return array;
    size_t wanted = *capacity ? *capacity * 2 : 16, more = (wanted - *capacity) * element;
    if (!ccol__budget_take(report->arena.budget, more)) return NULL;
    void *grown = reallocarray(array, wanted, element);
    if (grown)
        *capacity = wanted;
    else
        ccol__budget_give(report->arena.budget, more);
    return grown;
}

static void free_array(const ccol_report *report, void *array, size_t capacity, size_t element)
{
    free(array);
    ccol__budget_give(report->arena.budget, capacity * element);
}

ccol_report *ccol__report_new(struct crash_pool *pool)
{
    ccol_report *report = calloc(1, sizeof *report);
    if (!report) return NULL;
    atomic_init(&report->references, 1);
    report->pool = ccol__crash_pool_ref(pool);
    report->bytes.pool = pool;
    report->notes_end = &report->notes;
    ccol__arena_init(&report->arena, ccol__crash_pool_budget(pool));
    return report;
}

ccol_report *ccol_report_new(void)
{
    return ccol__report_new(NULL);
}

ccol_report *ccol_report_ref(ccol_report *report)
{
    if (report) atomic_fetch_add_explicit(&report->references, 1, memory_order_relaxed);
    return report;
}

void ccol_report_unref(ccol_report *report)
{
    if (!report || atomic_fetch_sub_explicit(&report->references, 1, memory_order_acq_rel) != 1) return;
    ccol__sha256_free(report->hash);
    ccol__crash_buffer_fini(&report->bytes);
    ccol__arena_fini(&report->arena);
    free_array(report, report->annotations, report->annotation_capacity, sizeof *report->annotations);
    free_array(report, report->files, report->file_capacity, sizeof *report->files);
    ccol__crash_pool_unref(report->pool);
    free(report);
}

/* Lists, objects and the three words get their JSON text, so that readers need no memory of their own. */
static int fill_text(ccol_report *report, struct json *node)
{
    if (node->type == JSON_STRING || node->type == JSON_NUMBER || node->text) return 0;
    struct buffer text;
    ccol__buffer_init(&text, SIZE_MAX / 2, ccol__crash_pool_budget(report->pool));
    if (ccol__json_write(&text, node)) {
        node->text = ccol__arena_copy(&report->arena, text.data, text.length);
        node->length = text.length;
    }
    ccol__buffer_fini(&text);
    return node->text ? 0 : -ENOMEM;
}

int ccol__report_add(ccol_report *report, struct json *node)
{
    int code = fill_text(report, node);
    if (code) return code;
    void *grown = grow_array(report, report->annotations, report->annotation_count, &report->annotation_capacity,
                             sizeof *report->annotations);
    if (!grown) return -ENOMEM;
    report->annotations = grown;
    report->annotations[report->annotation_count++] = node;
    report->sorted = false;
    return 0;
}

int ccol__report_annotate(ccol_report *report, const char *name, size_t name_length, const char *value, size_t length)
{
    struct json *node = ccol__arena_alloc(&report->arena, sizeof *node);
    char *key = ccol__arena_copy(&report->arena, name, name_length);
    char *text = ccol__arena_copy(&report->arena, value, length);
    if (!node || !key || !text) return -ENOMEM;
    *node = (struct json){.type = JSON_STRING, .key = key, .key_length = name_length, .text = text, .length = length};
    return ccol__report_add(report, node);
}

int ccol__report_replace(ccol_report *report, const struct json *object)
{
    report->annotation_count = 0;
    for (struct json *member = object->first; member; member = member->next) {
        int code = ccol__report_add(report, member);
        if (code) return code;
    }
    return 0;
}

int ccol__report_note(ccol_report *report, const char *text, size_t length)
{
    struct json *node = ccol__arena_alloc(&report->arena, sizeof *node);
    char *copy = ccol__arena_copy(&report->arena, text, length);
    if (!node || !copy) return -ENOMEM;
    *node = (struct json){.type = JSON_STRING, .text = copy, .length = length};
    *report->notes_end = node;
    report->notes_end = &node->next;
    return 0;
}

/* After the header, and where a storage may write it from with O_DIRECT. */
static int align_next_file(ccol_report *report)
{
    size_t start = (report->bytes.length + RECORD_FILE_ALIGN - 1) / RECORD_FILE_ALIGN * RECORD_FILE_ALIGN;
    if (start < RECORD_HEADER_BYTES) start = RECORD_HEADER_BYTES;
    int code = ccol__crash_buffer_reserve(&report->bytes, start);
    if (code) return code;
    memset(report->bytes.data + report->bytes.length, 0, start - report->bytes.length);
    report->bytes.length = start;
    return 0;
}

int ccol__report_file_begin(ccol_report *report, const char *name)
{
    void *grown = grow_array(report, report->files, report->file_count, &report->file_capacity, sizeof *report->files);
    if (!grown) return -ENOMEM;
    report->files = grown;
    if (!report->no_checksums && !report->hash && !(report->hash = ccol__sha256_new())) return -ENOMEM;
    int code = align_next_file(report);
    if (code) return code;
    struct report_file *file = &report->files[report->file_count++];
    *file = (struct report_file){.offset = report->bytes.length};
    memcpy(file->name, name, strnlen(name, FILE_NAME_MAX));
    return 0;
}

int ccol__report_file_append(ccol_report *report, const void *data, size_t length)
{
    int code = ccol__crash_buffer_append(&report->bytes, data, length);
    if (!code && report->hash) ccol__sha256_update(report->hash, data, length);
    return code;
}

int ccol__report_file_end(ccol_report *report)
{
    struct report_file *file = &report->files[report->file_count - 1];
    file->length = report->bytes.length - file->offset;
    if (report->hash) {
        ccol__sha256_final(report->hash, file->sha256);
        ccol__sha256_reset(report->hash);
        file->has_sha256 = true;
    }
    return 0;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool ccol__report_clean_name(char out[FILE_NAME_MAX + 1], const char *name, size_t length)
{
    size_t used = 0;
    for (size_t i = 0; i < length && used < FILE_NAME_MAX; i++) {
        if (is_name_char(name[i])) out[used++] = name[i];
    }
    out[used] = '\0';
    /* Folders of the tree that hold something else. */
    return used > 0 && strcmp(out, "raw_crash") != 0 && strcmp(out, "dump_names") != 0 &&
           strcmp(out, "processed_crash") != 0;
}

static int compare_names(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare_annotations(const void *a, const void *b)
{
    const struct json *const *x = a, *const *y = b;
    return compare_names((*x)->key, (*x)->key_length, (*y)->key, (*y)->key_length);
}

/* glibc's qsort is a stable merge sort only while memory lasts, so equal names are told apart by position. */
struct ranked {
    struct json *node;
    size_t rank;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = compare_annotations(&x->node, &y->node);
    return order ? order : (x->rank > y->rank) - (x->rank < y->rank);
}

static int sort_annotations(ccol_report *report)
{
    size_t count = report->annotation_count;
    struct ranked *ranked = malloc((count ? count : 1) * sizeof *ranked);
    if (!ranked) return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        ranked[i] = (struct ranked){report->annotations[i], i};
    qsort(ranked, count, sizeof *ranked, compare_ranked);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && compare_annotations(&ranked[i].node, &ranked[i + 1].node) == 0) continue;
        report->annotations[kept++] = ranked[i].node;
    }
    free(ranked);
    report->annotation_count = kept;
    return 0;
}

static int compare_files(const void *a, const void *b)
{
    const struct report_file *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    if (!order) order = (x->offset > y->offset) - (x->offset < y->offset);
    return order ? order : (x->length > y->length) - (x->length < y->length); /* after an empty one */
}

static void sort_files(ccol_report *report)
{
    qsort(report->files, report->file_count, sizeof *report->files, compare_files);
    size_t kept = 0;
    for (size_t i = 0; i < report->file_count; i++) {
        if (i + 1 < report->file_count && strcmp(report->files[i].name, report->files[i + 1].name) == 0) continue;
        report->files[kept++] = report->files[i];
    }
    report->file_count = kept;
}

int ccol__report_sort(ccol_report *report)
{
    if (report->sorted) return 0;
    int code = sort_annotations(report);
    if (code) return code;
    if (report->file_count) sort_files(report);
    report->sorted = true;
    return 0;
}

static struct json **find(const ccol_report *report, const char *name)
{
    struct json key = {.key = name, .key_length = strlen(name)}, *wanted = &key;
    if (!report->annotation_count) return NULL;
    if (report->sorted)
        return bsearch(&wanted, report->annotations, report->annotation_count, sizeof wanted, compare_annotations);
    for (size_t i = report->annotation_count; i-- > 0;) {
        if (compare_annotations(&wanted, &report->annotations[i]) == 0) return &report->annotations[i];
    }
    return NULL;
}

const struct json *ccol__report_find(const ccol_report *report, const char *name)
{
    struct json **found = find(report, name);
    return found ? *found : NULL;
}

bool ccol__report_remove(ccol_report *report, const char *name)
{
    struct json **found = find(report, name);
    if (!found) return false;
    size_t index = (size_t)(found - report->annotations);
    memmove(found, found + 1, (report->annotation_count - index - 1) * sizeof *found);
    report->annotation_count--;
    return true;
}

int ccol_report_annotate(ccol_report *report, const char *name, const char *value)
{
    if (!report || !name || !*name || !value) return -EINVAL;
    if (report->sealed) return -EBUSY;
    size_t name_length = strlen(name), length = strlen(value);
    if (!ccol__text_is_utf8(name, name_length) || !ccol__text_is_utf8(value, length)) return -EINVAL;
    return ccol__report_annotate(report, name, name_length, value, length);
}

int ccol_report_annotate_json(ccol_report *report, const char *name, const char *json)
{
    if (!report || !name || !*name || !json) return -EINVAL;
    if (report->sealed) return -EBUSY;
    size_t name_length = strlen(name);
    if (!ccol__text_is_utf8(name, name_length)) return -EINVAL;
    const struct json_limits limits = {ANNOTATION_JSON_DEPTH, ANNOTATION_NUMBER_LENGTH};
    struct json *node;
    int code = ccol__json_parse(&report->arena, json, strlen(json), &limits, &node, NULL);
    if (code) return code;
    char *key = ccol__arena_copy(&report->arena, name, name_length);
    if (!key) return -ENOMEM;
    node->key = key;
    node->key_length = name_length;
    return ccol__report_add(report, node);
}

int ccol_report_add_file(ccol_report *report, const char *name, const void *data, size_t length)
{
    char clean[FILE_NAME_MAX + 1];
    if (!report || !name || (length && !data)) return -EINVAL;
    if (report->sealed) return -EBUSY;
    if (!ccol__report_clean_name(clean, name, strlen(name))) return -EINVAL;
    int code = ccol__report_file_begin(report, clean);
    if (code) return code;
    code = ccol__report_file_append(report, data, length);
    if (code) {
        report->bytes.length = report->files[--report->file_count].offset;
        return code;
    }
    report->sorted = false;
    return ccol__report_file_end(report);
}

const char *ccol_report_id(const ccol_report *report)
{
    return report->id;
}

int64_t ccol_report_received_at(const ccol_report *report)
{
    return report->received_us;
}

const char *ccol_report_rule(const ccol_report *report)
{
    return report->rule;
}

const char *ccol_report_annotation(const ccol_report *report, const char *name)
{
    const struct json *node = ccol__report_find(report, name);
    return node ? node->text : NULL;
}

bool ccol_report_annotation_at(const ccol_report *report, size_t index, ccol_annotation *out)
{
    if (index >= report->annotation_count) return false;
    const struct json *node = report->annotations[index];
    ccol_annotation annotation = {.name = node->key,
                                  .name_length = node->key_length,
                                  .value = node->text,
                                  .value_length = node->length,
                                  .is_json = node->type != JSON_STRING};
    ccol__struct_out(out, &annotation, sizeof annotation);
    return true;
}

bool ccol_report_file_at(const ccol_report *report, size_t index, ccol_file *out)
{
    if (index >= report->file_count) return false;
    const struct report_file *entry = &report->files[index];
    ccol_file file = {.name = entry->name,
                      .data = report->bytes.data + entry->offset,
                      .length = entry->length,
                      .sha256 = entry->has_sha256 ? entry->sha256 : NULL};
    ccol__struct_out(out, &file, sizeof file);
    return true;
}

bool ccol__report_find_file(const ccol_report *report, const char *name, ccol_file *out)
{
    *out = (ccol_file){.size = sizeof *out};
    for (size_t i = 0; ccol_report_file_at(report, i, out); i++)
        if (strcmp(out->name, name) == 0) return true;
    return false;
}

static const char *sealed_text(const ccol_report *report, size_t offset, size_t text_length, size_t *length)
{
    if (length) *length = text_length;
    return report->sealed ? (const char *)report->bytes.data + offset : NULL;
}

const char *ccol_report_json(const ccol_report *report, size_t *length)
{
    return sealed_text(report, report->json_offset, report->json_length, length);
}

const char *ccol_report_dump_names_json(const ccol_report *report, size_t *length)
{
    return sealed_text(report, report->dump_names_offset, report->dump_names_length, length);
}
