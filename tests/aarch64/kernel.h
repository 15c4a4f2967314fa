/* SPDX-License-Identifier: MIT */
/* What an emulator of user programs does not do for them: ptrace, waiting for a traced thread, reading a process's
 * memory. kernel.c has functions of these names, which stand before libc's, for one process that looks at itself: a
 * thread is stopped by a signal, in whose frame the emulator puts the thread's registers as a kernel does. */
#ifndef CCOL_TESTS_KERNEL_H
#define CCOL_TESTS_KERNEL_H

/* The calling thread may be traced from now on. */
void kernel_know_thread(void);

#endif
