/* SPDX-License-Identifier: MIT */
/* What no collector can do without, as CPU us per crash: the SHA-256 of the dump, and the files of Antenna's tree made
 * in the barest way (two new files under their final names and one more name; no temporary name, no sync, no network,
 * no parsing). Set beside a run of crashcollectd it tells how much of a figure is the file system's and the hash's.
 * Usage: floor FOLDER [BYTES [CRASHES]] */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define RAW_CRASH_BYTES 2500

static double cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static bool keep(const char *path, const void *data, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool kept = write(fd, data, length) == (ssize_t)length;
    return close(fd) == 0 && kept;
}

static bool keep_crash(const char *folder, unsigned long number, const void *dump, size_t length)
{
    static const char names[] = "[\"upload_file_minidump\"]";
    static char raw_crash[RAW_CRASH_BYTES];
    char dump_path[PATH_MAX], json_path[PATH_MAX], names_path[PATH_MAX], first_path[PATH_MAX];
    snprintf(dump_path, sizeof dump_path, "%s/dump/%08lx", folder, number);
    snprintf(json_path, sizeof json_path, "%s/raw_crash/%08lx.json", folder, number);
    snprintf(names_path, sizeof names_path, "%s/dump_names/%08lx.json", folder, number);
    snprintf(first_path, sizeof first_path, "%s/names", folder);
    if (number == 0 && !keep(first_path, names, sizeof names - 1)) return false;
    return keep(dump_path, dump, length) && link(first_path, names_path) == 0 &&
           keep(json_path, raw_crash, sizeof raw_crash);
}

static bool make_folders(const char *folder)
{
    static const char *const kinds[] = {"dump", "raw_crash", "dump_names"};
    char path[PATH_MAX];
    if (mkdir(folder, 0750) < 0) return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, kinds[i]);
        if (mkdir(path, 0750) < 0) return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    size_t length = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
    unsigned long crashes = argc > 3 ? strtoul(argv[3], NULL, 10) : 20000;
    char *dump = malloc(length);
    if (argc < 2 || !length || !crashes || !dump || !make_folders(argv[1])) {
        fprintf(stderr, "floor: usage: floor FOLDER [BYTES [CRASHES]]; FOLDER must not exist (%s)\n", strerror(errno));
        return 2;
    }
    memset(dump, 0x5a, length);
    unsigned char hash[EVP_MAX_MD_SIZE];
    double began = cpu_us();
    for (unsigned long i = 0; i < crashes; i++) {
        memcpy(dump, &i, sizeof i < length ? sizeof i : length);
        if (!EVP_Digest(dump, length, hash, NULL, EVP_sha256(), NULL)) return 1;
    }
    double hashed = cpu_us();
    for (unsigned long i = 0; i < crashes; i++) {
        if (keep_crash(argv[1], i, dump, length)) continue;
        fprintf(stderr, "floor: cannot keep crash %lu: %s\n", i, strerror(errno));
        return 1;
    }
    double kept = cpu_us();
    printf("%zu bytes: SHA-256 %.1f us, two files and a name %.1f us per crash\n", length,
           (hashed - began) / (double)crashes, (kept - hashed) / (double)crashes);
    free(dump);
    return 0;
}
