/* SPDX-License-Identifier: MIT */
/* What names an ELF file that has no build id: the first page of its .text folded into 16 bytes, as Breakpad and
 * Sentry's programs have it. */
#ifndef CCOL_KEEPER_TEXT_HASH_H
#define CCOL_KEEPER_TEXT_HASH_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TEXT_HASH_BYTES 16

/* Where a file is mapped, and what was read there. */
struct mapped_elf {
    pid_t pid;
    uint64_t start, bias;
    uint64_t first_end; /* of its first mapping */
    const Elf64_Ehdr *head;
    const Elf64_Phdr *segments;
    size_t segment_count;
};

/* Only the file tells where its .text lies, and the path may lead to another one by now: it is believed if its headers
 * and the text itself are those in memory. false: there is no such file, or no .text in it. Allocates nothing. */
bool ccol__text_hash(uint8_t out[TEXT_HASH_BYTES], const struct mapped_elf *elf, const char *path, size_t path_length);

#endif
