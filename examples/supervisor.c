/* SPDX-License-Identifier: MIT */
/* A supervisor in 40 lines: it runs a program, starts it again when it crashes, and every crash becomes a report in a
 * folder: supervisor DATA_DIR PROGRAM [ARGUMENT]... */
#include <crashcollect.h>

#include <stdio.h>
#include <stdlib.h>

#define STARTS_MOST 3

static int run_once(ccol_storage *storage, char **argv, ccol_death *death)
{
    ccol_error err = {0};
    ccol_monitor *monitor;
    const char *const annotations[] = {"ProductName", "Supervised", "Version", "1.0", NULL};
    ccol_monitor_options options = {
        .size = sizeof options, .argv = argv + 2, .data_dir = argv[1], .storage = storage, .annotations = annotations};
    if (ccol_monitor_start(&monitor, &options, &err) != 0) {
        fprintf(stderr, "supervisor: %s\n", err.text);
        return 1;
    }
    int code = ccol_monitor_wait(monitor, -1, death); /* or poll ccol_monitor_fd in a loop of your own */
    ccol_monitor_free(monitor);                       /* waits until the report is safe */
    return code != 0;
}

int main(int argc, char **argv)
{
    ccol_error err = {0};
    ccol_storage *storage = NULL;
    ccol_death death = {.size = sizeof death};
    if (argc < 3) {
        fprintf(stderr, "usage: supervisor DATA_DIR PROGRAM [ARGUMENT]...\n");
        return 2;
    }
    char *root = malloc(4096);
    if (!root) return 1;
    snprintf(root, 4096, "%s/crashes", argv[1]);
    ccol_fs_options fs = {.size = sizeof fs, .root = root};
    int failed = ccol_storage_new_fs(&storage, &fs, &err);
    for (int starts = 1; !failed && starts <= STARTS_MOST; starts++) {
        failed = run_once(storage, argv, &death);
        if (failed || death.signal == 0) break;
        fprintf(stderr, "supervisor: start %d ended by signal %d\n", starts, death.signal);
    }
    if (err.code) fprintf(stderr, "supervisor: %s\n", err.text);
    if (storage) ccol_storage_unref(storage);
    free(root);
    return failed ? 1 : death.exit_status < 0 ? 2 : death.exit_status;
}
