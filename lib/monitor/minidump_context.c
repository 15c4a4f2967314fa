/* SPDX-License-Identifier: MIT */
#include "monitor/minidump_context.h"

#include <stdlib.h>
#include <string.h>

#define X86_64_CONTEXT_BYTES  1232
#define X86_64_FLAGS          0x10000f /* control, integer, segments, floating point */
#define X86_64_CPU            9
#define FXSAVE_BYTES          512
#define FXSAVE_MXCSR          24
#define AARCH64_CONTEXT_BYTES 912
#define AARCH64_FLAGS         0x400007 /* control, integer, floating point */
#define AARCH64_CPU           12
#define AARCH64_VECTOR_BYTES  512 /* in user_fpsimd_state, before fpsr and fpcr */
#define AARCH64_FLOAT_BYTES   528
#define AARCH64_PSTATE        33
#define DEBUG_BYTES           (AARCH64_CONTEXT_BYTES - 8 - 33 * 8 - AARCH64_VECTOR_BYTES - 8)

/* user_regs_struct */
enum { R15, R14, R13, R12, RBP, RBX, R11, R10, R9, R8, RAX, RCX, RDX, RSI, RDI, ORIG_RAX, RIP, CS, EFLAGS, RSP, SS };
enum { DS = 23, ES, FS, GS };

size_t ccol__minidump_context_bytes(enum snapshot_machine machine)
{
    return machine == SNAPSHOT_X86_64 ? X86_64_CONTEXT_BYTES : AARCH64_CONTEXT_BYTES;
}

static void put_x86_64(struct buffer *out, const struct victim_thread *thread)
{
    static const uint8_t segments[] = {CS, DS, ES, FS, GS, SS};
    static const uint8_t integers[] = {RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8,
                                       R9,  R10, R11, R12, R13, R14, R15, RIP};
    const uint64_t *registers = thread->seen.registers;
    bool has_floats = thread->floats.length >= FXSAVE_BYTES;
    uint32_t mxcsr = 0;
    if (has_floats) memcpy(&mxcsr, thread->floats.data + FXSAVE_MXCSR, sizeof mxcsr);
    size_t end = out->length + X86_64_CONTEXT_BYTES;
    ccol__minidump_put_zeros(out, 6 * sizeof(uint64_t)); /* home space */
    ccol__minidump_put_u32(out, has_floats ? X86_64_FLAGS : X86_64_FLAGS & ~8u);
    ccol__minidump_put_u32(out, mxcsr);
    for (size_t i = 0; i < sizeof segments; i++)
        ccol__minidump_put_u16(out, (uint16_t)registers[segments[i]]);
    ccol__minidump_put_u32(out, (uint32_t)registers[EFLAGS]);
    ccol__minidump_put_zeros(out, 6 * sizeof(uint64_t)); /* debug registers */
    for (size_t i = 0; i < sizeof integers; i++)
        ccol__minidump_put_u64(out, registers[integers[i]]);
    if (has_floats) ccol__buffer_append(out, thread->floats.data, FXSAVE_BYTES);
    if (!out->failed) ccol__minidump_put_zeros(out, end - out->length);
}

static void put_aarch64(struct buffer *out, const struct victim_thread *thread)
{
    const uint64_t *registers = thread->seen.registers;
    bool has_floats = thread->floats.length >= AARCH64_FLOAT_BYTES;
    ccol__minidump_put_u32(out, has_floats ? AARCH64_FLAGS : AARCH64_FLAGS & ~4u);
    ccol__minidump_put_u32(out, (uint32_t)registers[AARCH64_PSTATE]);
    for (size_t i = 0; i <= AARCH64_PC; i++)
        ccol__minidump_put_u64(out, registers[i]);
    if (has_floats) { /* the control register comes first here, last in the kernel's struct */
        ccol__buffer_append(out, thread->floats.data, AARCH64_VECTOR_BYTES);
        ccol__buffer_append(out, thread->floats.data + AARCH64_VECTOR_BYTES + 4, 4);
        ccol__buffer_append(out, thread->floats.data + AARCH64_VECTOR_BYTES, 4);
    } else {
        ccol__minidump_put_zeros(out, AARCH64_VECTOR_BYTES + 8);
    }
    ccol__minidump_put_zeros(out, DEBUG_BYTES);
}

struct location ccol__minidump_put_context(struct buffer *out, enum snapshot_machine machine,
                                           const struct victim_thread *thread)
{
    if (!(thread->seen.flags & SNAPSHOT_REGISTERS)) return (struct location){0, 0};
    ccol__minidump_align(out);
    struct location at = {(uint32_t)ccol__minidump_context_bytes(machine), (uint32_t)out->length};
    if (machine == SNAPSHOT_X86_64)
        put_x86_64(out, thread);
    else
        put_aarch64(out, thread);
    return at;
}

/* Value of a line "name\t: value" of /proc/cpuinfo, or NULL. */
static const char *cpu_value(const struct host *host, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = host->cpu_info.length ? host->cpu_info.data : NULL; line && *line;) {
        const char *after = line + length;
        if (strncmp(line, name, length) == 0 && (*after == '\t' || *after == ':')) {
            after += strspn(after, "\t :");
            return after;
        }
        line = strchr(line, '\n');
        if (line) line++;
    }
    return NULL;
}

static unsigned cpu_number(const struct host *host, const char *name)
{
    const char *value = cpu_value(host, name);
    return value ? (unsigned)strtoul(value, NULL, 0) : 0;
}

void ccol__minidump_put_cpu(struct buffer *out, enum snapshot_machine machine, const struct host *host)
{
    bool is_x86 = machine == SNAPSHOT_X86_64;
    unsigned level = cpu_number(host, is_x86 ? "cpu family" : "CPU part");
    unsigned revision =
        is_x86 ? cpu_number(host, "model") << 8 | cpu_number(host, "stepping") : cpu_number(host, "CPU revision");
    ccol__minidump_put_u16(out, is_x86 ? X86_64_CPU : AARCH64_CPU);
    ccol__minidump_put_u16(out, (uint16_t)level);
    ccol__minidump_put_u16(out, (uint16_t)revision);
    ccol__minidump_put_u16(out, (uint16_t)(host->cpus > 255 ? 255 : host->cpus)); /* one byte; the next is 0 */
}

void ccol__minidump_put_cpu_features(struct buffer *out, enum snapshot_machine machine, const struct host *host)
{
    char vendor[12] = {0};
    const char *value = machine == SNAPSHOT_X86_64 ? cpu_value(host, "vendor_id") : NULL;
    size_t length = value ? strcspn(value, "\n") : 0;
    if (length) memcpy(vendor, value, length < sizeof vendor ? length : sizeof vendor);
    ccol__buffer_append(out, vendor, sizeof vendor);
    ccol__minidump_put_zeros(out, 12);
}
