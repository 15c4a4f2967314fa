/* SPDX-License-Identifier: MIT */
#include "queue/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/folder.h"
#include "storage/storage.h"

#define SLOTS_FILE     "storages"
#define SLOTS_FILE_NEW "storages.new"
#define FILE_MAX       ((size_t)1 << 20)

/* What the file holds; lines beyond the last slot say nothing. */
static int read_lines(struct slots *slots, int dir_fd, ccol_error *err)
{
    struct buffer text;
    ccol_error failure;
    int code = ccol__file_read(dir_fd, SLOTS_FILE, FILE_MAX, &text, &failure);
    if (code == -ENOENT || code == CCOL_ETOOLARGE) return 0;
    if (code) return ccol_fail(err, code, "cannot read the spool's " SLOTS_FILE);
    char *at = text.data, *end;
    for (size_t i = 0; i < SLOTS_MAX && at && (end = strchr(at, '\n')) && !code; i++, at = end + 1) {
        if (end > at && !(slots->lines[i] = strndup(at, (size_t)(end - at)))) code = -ENOMEM;
    }
    ccol__buffer_fini(&text);
    return code ? ccol_fail(err, code, "cannot read the spool's " SLOTS_FILE) : 0;
}

/* How the storage is known, the same class and place told apart by their order; the caller frees. */
static char *line_of(ccol_storage *const *storages, size_t index)
{
    const ccol_storage *storage = storages[index];
    unsigned before = 0;
    char number[16] = "", *line;
    const char *place = storage->place ? storage->place : "";
    for (size_t i = 0; i < index; i++) {
        const ccol_storage *other = storages[i];
        before += strcmp(other->name, storage->name) == 0 && strcmp(other->place ? other->place : "", place) == 0;
    }
    if (before) snprintf(number, sizeof number, " #%u", before + 1);
    if (asprintf(&line, "%s %s%s", storage->name, place, number) < 0) return NULL;
    for (char *at = line; *at; at++) {
        if ((unsigned char)*at < ' ') *at = '?';
    }
    return line;
}

static int find_line(const struct slots *slots, const char *line)
{
    for (int i = 0; i < SLOTS_MAX; i++) {
        if (slots->lines[i] && strcmp(slots->lines[i], line) == 0) return i;
    }
    return -1;
}

/* A free slot, else one of a storage that is no longer there. `kept`: bits of those that are. */
static int take_slot(struct slots *slots, uint32_t kept, char *line)
{
    int found = -1;
    for (int i = 0; i < SLOTS_MAX && found < 0; i++) {
        if (!slots->lines[i] && !(kept & UINT32_C(1) << i)) found = i;
    }
    for (int i = 0; i < SLOTS_MAX && found < 0; i++) {
        if (!(kept & UINT32_C(1) << i)) found = i;
    }
    free(slots->lines[found]);
    slots->lines[found] = line;
    slots->taken_over |= UINT32_C(1) << found;
    slots->changed = true;
    return found;
}

int ccol__slots_open(struct slots *slots, int dir_fd, ccol_storage *const *storages, size_t count, ccol_error *err)
{
    char *lines[SLOTS_MAX] = {NULL};
    uint32_t kept = 0;
    slots->count = count;
    int code = read_lines(slots, dir_fd, err);
    for (size_t i = 0; !code && i < count; i++) {
        lines[i] = line_of(storages, i);
        if (!lines[i]) code = ccol_fail(err, -ENOMEM, "cannot name the storages");
        int slot = code ? -1 : find_line(slots, lines[i]);
        slots->bits[i] = slot >= 0 ? UINT32_C(1) << slot : 0;
        kept |= slots->bits[i];
    }
    for (size_t i = 0; !code && i < count; i++) {
        if (slots->bits[i]) continue;
        slots->bits[i] = UINT32_C(1) << take_slot(slots, kept, lines[i]);
        kept |= slots->bits[i];
        lines[i] = NULL;
    }
    for (size_t i = 0; i < count; i++)
        free(lines[i]);
    return code;
}

uint32_t ccol__slots_pack(const struct slots *slots, uint32_t progress, uint32_t before)
{
    uint32_t record_bits = before;
    for (size_t i = 0; i < slots->count; i++) {
        record_bits &= ~slots->bits[i];
        if (progress & UINT32_C(1) << i) record_bits |= slots->bits[i];
    }
    return record_bits;
}

uint32_t ccol__slots_unpack(const struct slots *slots, uint32_t record_bits)
{
    uint32_t progress = 0;
    for (size_t i = 0; i < slots->count; i++) {
        if (record_bits & slots->bits[i]) progress |= UINT32_C(1) << i;
    }
    return progress;
}

int ccol__slots_write(const struct slots *slots, int dir_fd, ccol_error *err)
{
    if (!slots->changed) return 0;
    auto_close int fd = openat(dir_fd, SLOTS_FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int code = fd < 0 ? -errno : 0;
    for (int i = 0; !code && i < SLOTS_MAX; i++) {
        const char *line = slots->lines[i] ? slots->lines[i] : "";
        code = ccol__file_write_all(fd, line, strlen(line));
        if (!code) code = ccol__file_write_all(fd, "\n", 1);
    }
    if (!code && (fsync(fd) || renameat(dir_fd, SLOTS_FILE_NEW, dir_fd, SLOTS_FILE) || fsync(dir_fd))) code = -errno;
    return code ? ccol_fail(err, code, "cannot write the spool's " SLOTS_FILE) : 0;
}

void ccol__slots_fini(struct slots *slots)
{
    for (int i = 0; i < SLOTS_MAX; i++)
        free(slots->lines[i]);
}
