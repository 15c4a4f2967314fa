/* SPDX-License-Identifier: MIT */
#include "keeper/text_hash.h"

#include "base/auto.h"
#include "keeper/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_SIZE     4096
#define TEXT_MOST     4096
#define PIECE         512
#define SECTIONS_MOST 4096
#define SECTIONS_READ 16

static bool read_file(int fd, uint64_t offset, void *out, size_t length)
{
    if (offset > INT64_MAX - length) return false;
    for (size_t done = 0; done < length;) {
        ssize_t got = pread(fd, (char *)out + done, length - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        done += (size_t)got;
    }
    return true;
}

/* Not to wait for a FIFO that took the file's place. */
static int open_regular(const char *path)
{
    struct stat status;
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return -1;
    int kept = fd;
    fd = -1;
    return kept;
}

static bool has_headers(int fd, const struct mapped_elf *elf)
{
    Elf64_Ehdr head;
    Elf64_Phdr segment;
    if (!read_file(fd, 0, &head, sizeof head) || memcmp(&head, elf->head, sizeof head) != 0) return false;
    for (size_t i = 0; i < elf->segment_count; i++) {
        if (!read_file(fd, head.e_phoff + i * sizeof segment, &segment, sizeof segment) ||
            memcmp(&segment, &elf->segments[i], sizeof segment) != 0)
            return false;
    }
    return true;
}

/* The mapped file itself, which the kernel gives to the privileged whatever became of its path; else what the path
 * leads to, if it looks the same. */
static int open_file(const struct mapped_elf *elf, const char *path, size_t path_length)
{
    char text[PATH_SIZE];
    snprintf(text, sizeof text, "/proc/%d/map_files/%llx-%llx", (int)elf->pid, (unsigned long long)elf->start,
             (unsigned long long)elf->first_end);
    int fd = open_regular(text);
    if (fd < 0 && *path == '/' && path_length < sizeof text) {
        memcpy(text, path, path_length);
        text[path_length] = '\0';
        fd = open_regular(text);
    }
    if (fd < 0 || has_headers(fd, elf)) return fd;
    close(fd);
    return -1;
}

static bool is_text(int fd, const Elf64_Shdr *section, const Elf64_Shdr *names)
{
    static const char wanted[] = ".text";
    char name[sizeof wanted];
    return section->sh_type == SHT_PROGBITS && section->sh_offset && section->sh_name < names->sh_size &&
           read_file(fd, names->sh_offset + section->sh_name, name, sizeof name) &&
           memcmp(name, wanted, sizeof name) == 0;
}

static bool find_text(int fd, const Elf64_Ehdr *head, Elf64_Shdr *out)
{
    Elf64_Shdr names, sections[SECTIONS_READ];
    size_t count = head->e_shnum < SECTIONS_MOST ? head->e_shnum : SECTIONS_MOST;
    if (head->e_shentsize != sizeof names || head->e_shoff > INT64_MAX / 2 ||
        !read_file(fd, head->e_shoff + head->e_shstrndx * sizeof names, &names, sizeof names))
        return false;
    for (size_t i = 0; i < count; i += SECTIONS_READ) {
        size_t some = count - i < SECTIONS_READ ? count - i : SECTIONS_READ;
        if (!read_file(fd, head->e_shoff + i * sizeof names, sections, some * sizeof names)) return false;
        for (size_t j = 0; j < some; j++) {
            if (!is_text(fd, &sections[j], &names)) continue;
            *out = sections[j];
            return true;
        }
    }
    return false;
}

bool ccol__text_hash(uint8_t out[TEXT_HASH_BYTES], const struct mapped_elf *elf, const char *path, size_t path_length)
{
    Elf64_Shdr text;
    uint8_t in_file[PIECE], in_memory[PIECE];
    auto_close int fd = open_file(elf, path, path_length);
    if (fd < 0 || !find_text(fd, elf->head, &text) || text.sh_size == 0) return false;
    size_t length = text.sh_size < TEXT_MOST ? (size_t)text.sh_size : TEXT_MOST;
    memset(out, 0, TEXT_HASH_BYTES);
    for (size_t at = 0; at < length; at += PIECE) {
        size_t some = length - at < PIECE ? length - at : PIECE;
        if (!read_file(fd, text.sh_offset + at, in_file, some) ||
            !ccol__tracee_read_all(elf->pid, elf->bias + text.sh_addr + at, in_memory, some) ||
            memcmp(in_file, in_memory, some) != 0)
            return false;
        for (size_t i = 0; i < some; i++)
            out[i % TEXT_HASH_BYTES] ^= in_file[i];
    }
    return true;
}
