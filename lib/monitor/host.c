/* SPDX-License-Identifier: MIT */
#include "monitor/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/folder.h"

#define OS_RELEASE_MOST ((size_t)64 << 10)
#define CPU_INFO_MOST   ((size_t)16 << 20) /* of all CPUs */

static void read_release(struct host *host)
{
    struct utsname names;
    if (uname(&names) != 0) return;
    snprintf(host->name, sizeof host->name, "%s", names.nodename);
    snprintf(host->release, sizeof host->release, "%s", names.release);
    snprintf(host->version, sizeof host->version, "%s", names.version);
    const char *at = host->release;
    for (unsigned i = 0; i < 3; i++) {
        char *end;
        unsigned long number = strtoul(at, &end, 10);
        if (end == at || number > 0xffffffffUL) break;
        host->numbers[i] = (unsigned)number;
        if (*end != '.') break;
        at = end + 1;
    }
}

/* One assignment as a shell would read it, in the form that os-release(5) allows: quotes around the whole value. */
static bool take_value(char *out, size_t size, const char *line, size_t length, const char *name)
{
    size_t name_length = strlen(name);
    if (length <= name_length || memcmp(line, name, name_length) != 0 || line[name_length] != '=') return false;
    const char *value = line + name_length + 1;
    size_t value_length = length - name_length - 1;
    if (value_length >= 2 && (*value == '"' || *value == '\'') && value[value_length - 1] == *value) {
        value++;
        value_length -= 2;
    }
    snprintf(out, size, "%.*s", (int)value_length, value);
    return true;
}

static void read_distribution(struct host *host)
{
    struct buffer text;
    if (ccol__file_read(AT_FDCWD, "/etc/os-release", OS_RELEASE_MOST, &text, NULL) != 0) {
        ccol__buffer_fini(&text);
        if (ccol__file_read(AT_FDCWD, "/usr/lib/os-release", OS_RELEASE_MOST, &text, NULL) != 0) text.length = 0;
    }
    for (size_t at = 0; at < text.length;) {
        const char *line = text.data + at, *end = memchr(line, '\n', text.length - at);
        size_t length = end ? (size_t)(end - line) : text.length - at;
        (void)(take_value(host->pretty, sizeof host->pretty, line, length, "PRETTY_NAME") ||
               take_value(host->distribution, sizeof host->distribution, line, length, "NAME") ||
               take_value(host->distribution_version, sizeof host->distribution_version, line, length, "VERSION_ID") ||
               take_value(host->codename, sizeof host->codename, line, length, "VERSION_CODENAME"));
        at += length + 1;
    }
    ccol__buffer_fini(&text);
}

static void read_cpus(struct host *host)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    host->cpus = cpus > 0 ? (unsigned)cpus : 1;
    if (ccol__file_read(AT_FDCWD, "/proc/cpuinfo", CPU_INFO_MOST, &host->cpu_info, NULL) != 0) return;
    const char *end = host->cpu_info.length ? strstr(host->cpu_info.data, "\n\n") : NULL;
    if (end) host->cpu_info.length = (size_t)(end + 1 - host->cpu_info.data);
}

void ccol__host_read(struct host *host)
{
    *host = (struct host){.cpus = 1};
    read_release(host);
    read_distribution(host);
    read_cpus(host);
}

void ccol__host_fini(struct host *host)
{
    ccol__buffer_fini(&host->cpu_info);
}
