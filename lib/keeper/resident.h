/* SPDX-License-Identifier: MIT */
/* Memory that is there when it is needed: in a memory cgroup that is full, the first touch of a page waits until what
 * was killed is gone, and its stacks with it. A fork shares all private pages, and the first write to one afterwards is
 * such a touch. */
#ifndef CCOL_KEEPER_RESIDENT_H
#define CCOL_KEEPER_RESIDENT_H

#include <stdbool.h>
#include <stddef.h>

/* Maps the code that the keeper runs, and lets go of all other: a kernel that looks for somebody to kill counts that
 * too. It comes back from its files where it is needed after all. */
void ccol__resident_code(void);
/* What is in memory, and what comes, stays there: a full cgroup takes even the code of its processes from them, to be
 * read again. False: the limit for locked memory does not allow that, and only the code is locked, as far as it does.
 */
bool ccol__resident_lock_all(void);
/* The same for a part, as far as the limit allows it. */
void ccol__resident_lock(const void *memory, size_t length);
/* Makes the pages of the memory that are in use this process's own again; what is not used stays untouched. */
void ccol__resident_own(void *memory, size_t length);
/* The same for the stack that the keeper's calls need. */
void ccol__resident_stack(void);

#endif
