/* SPDX-License-Identifier: MIT */
/* The memory of a program that broke: ELF headers, tables of symbols and streams of stdio with any bytes in them. The
 * first byte says what it is taken for. It lies at one address always, so that pointers in it can lead somewhere. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "keeper/image.h"
#include "keeper/keeper_private.h"

#define PLACE 0x200000000000
#define MOST  65536u

static struct keeper keeper;
static struct process_facts facts;

static char *place(void)
{
    static char *memory;
    if (memory) return memory;
    memory =
        mmap((void *)PLACE, MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    PROPERTY(memory == (void *)PLACE);
    PROPERTY(ccol__build_init(&keeper.build, (size_t)1 << 20, 64) == 0);
    return memory;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char paths[] = "\0/bin/program\0/lib/libc.so.6\0/lib/ld-musl-x86_64.so.1";
    static const uint32_t offsets[] = {1, 14, 29};
    char *memory = place();
    if (size < 1 || size > MOST) return 0;
    memset(memory, 0, MOST);
    memcpy(memory, data + 1, size - 1);
    memcpy(facts.modules.paths, paths, sizeof paths);
    facts.modules.count = 1;
    facts.modules.list[0] = (struct snapshot_module){.start = PLACE,
                                                     .end = PLACE + MOST,
                                                     .bias = PLACE,
                                                     .path = offsets[data[0] % 3],
                                                     .flags = data[0] % 3 ? 0 : SNAPSHOT_EXECUTABLE};
    struct traced_process process = {.pid = getpid(), .facts = &facts};
    ccol__build_start(&keeper.build);
    ccol__stdio_build(&keeper, &process);
    PROPERTY(keeper.build.count <= 2);
    for (uint32_t i = 0; i < keeper.build.count; i++)
        PROPERTY(keeper.build.sections[i].bytes > 0 && keeper.build.sections[i].bytes <= 65536);
    return 0;
}
