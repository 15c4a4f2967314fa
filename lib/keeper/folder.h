/* SPDX-License-Identifier: MIT */
/* The hand-over folder of one instance (handover.h), from the keeper's side. */
#ifndef CCOL_KEEPER_FOLDER_H
#define CCOL_KEEPER_FOLDER_H

#include <crashcollect/error.h>

#include "keeper/handover.h"

struct handover_folder {
    int parent_fd, fd; /* DATA_DIR/monitor, and the instance's folder in it */
    int lock_fd;
    char instance[64];
    unsigned next; /* number of the next snapshot */
};

/* Makes the folder with lock, about.json and state; *state is mapped. */
int ccol__folder_create(struct handover_folder *folder, const char *data_dir, const char *about,
                        struct handover_state **state, ccol_error *err);
/* Writes a snapshot so that it appears whole. 0 or -errno. */
int ccol__folder_write_snapshot(struct handover_folder *folder, const void *bytes, size_t length);
/* Snapshots that nobody took yet. */
unsigned ccol__folder_waiting(const struct handover_folder *folder);
/* Removes all files and the folder, where nothing waits in it any more. */
void ccol__folder_remove(struct handover_folder *folder);
void ccol__folder_fini(struct handover_folder *folder, struct handover_state *state);

#endif
