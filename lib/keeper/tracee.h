/* SPDX-License-Identifier: MIT */
/* What the keeper asks of one traced thread or its memory. Nothing here allocates or opens a file. */
#ifndef CCOL_KEEPER_TRACEE_H
#define CCOL_KEEPER_TRACEE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "keeper/snapshot.h"

#define TRACEE_FP_BYTES 528
#if defined(__x86_64__)
#define TRACEE_RED_ZONE 128
#else
#define TRACEE_RED_ZONE 0
#endif

/* Copies from the memory of a process; the number of bytes that could be read from the start on (0: none). */
size_t ccol__tracee_read(pid_t pid, uint64_t address, void *out, size_t length);
/* The same, all or nothing. */
bool ccol__tracee_read_all(pid_t pid, uint64_t address, void *out, size_t length);
/* A NUL-terminated text of at most size - 1 bytes; false: unreadable, or too long. */
bool ccol__tracee_read_text(pid_t pid, uint64_t address, char *out, size_t size);

/* Registers of a stopped thread, as struct snapshot_thread has them. 0 or -errno. */
int ccol__tracee_registers(pid_t tid, uint64_t registers[SNAPSHOT_REGISTERS_MAX], uint64_t *pc, uint64_t *sp);
/* The stack pointer among them. */
uint64_t ccol__tracee_sp_of(const uint64_t registers[SNAPSHOT_REGISTERS_MAX]);
/* Floating point and vector registers; their size, or 0. */
size_t ccol__tracee_fp(pid_t tid, void *out, size_t size);
/* Did a seccomp filter refuse the system call that these registers stand at? (A killed call is rolled back.) */
bool ccol__tracee_at_refused_call(const uint64_t registers[SNAPSHOT_REGISTERS_MAX]);

/* Lets a stopped thread go on, delivering the signal (0: none). */
void ccol__tracee_continue(pid_t tid, int signal_number);

#endif
