/* SPDX-License-Identifier: MIT */
/* Memory that is there when it is needed: in a memory cgroup that is full, the first touch of a page waits until what
 * was killed is gone, and its stacks with it. A fork shares all private pages, and the first write to one afterwards is
 * such a touch. */
#ifndef CCOL_KEEPER_RESIDENT_H
#define CCOL_KEEPER_RESIDENT_H

#include <stddef.h>

/* Maps the code of this process. */
void ccol__resident_code(void);
/* Makes the pages of the memory that are in use this process's own again; what is not used stays untouched. */
void ccol__resident_own(void *memory, size_t length);
/* The same for the stack that the keeper's calls need. */
void ccol__resident_stack(void);

#endif
