/* SPDX-License-Identifier: MIT */
/* Dies in a way that a Sentry event must tell: sentry_victim crash|notes|kill|exit|lines [SECONDS]. "notes": a crash of
 * a program that tells of its user. */
#include <crashcollect/capture.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINES_PER_SECOND 10000

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void __attribute__((noinline)) poke(volatile int *address)
{
    *address = 7;
}

static void __attribute__((noinline)) work(int depth)
{
    if (depth > 0)
        work(depth - 1);
    else
        poke((volatile int *)0x10);
    __asm__ volatile(""); /* no tail call */
}

/* Writes the same error line over and over and tells the longest that one write took. */
static int flood(double seconds)
{
    static const char line[] = "ERROR: cannot reach the database\n";
    double begin = now(), worst = 0;
    long count = (long)(seconds * LINES_PER_SECOND);
    for (long i = 0; i < count; i++) {
        while (now() < begin + (double)i / LINES_PER_SECOND) {
        }
        double before = now();
        if (write(STDERR_FILENO, line, sizeof line - 1) != (ssize_t)sizeof line - 1) return 2;
        double took = now() - before;
        if (took > worst) worst = took;
    }
    printf("%ld %.6f %.3f\n", count, worst, now() - begin);
    return 0;
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    fprintf(stderr, "INFO: step one\nWARN: step two\n");
    if (strcmp(way, "lines") == 0) return flood(argc > 2 ? strtod(argv[2], NULL) : 1);
    if (strcmp(way, "kill") == 0) raise(SIGKILL);
    if (strcmp(way, "notes") == 0) {
        if (ccol_capture_install(NULL) != 0) return 3;
        ccol_capture_annotate("Email", "someone@example.org");
        ccol_capture_annotate("URL", "https://example.org/private");
        ccol_capture_annotate("ApiToken", "hidden-token");
        ccol_capture_annotate("Custom", "for everybody");
    } else if (strcmp(way, "crash") != 0) {
        return 0;
    }
    fprintf(stderr, "INFO: the last line before\n");
    work(3);
    return 1;
}
