/* SPDX-License-Identifier: MIT */
/* What /proc/PID/cgroup tells of the container that a process ran in. */
#ifndef CCOL_MONITOR_CONTAINER_H
#define CCOL_MONITOR_CONTAINER_H

#include <stddef.h>

#define CONTAINER_TEXT_SIZE 1024

/* The cgroup's path: of version 2, or of the memory controller; "" if the text tells none. Returns out. */
const char *ccol__cgroup_path(char out[CONTAINER_TEXT_SIZE], const char *text, size_t length);
/* The id that Docker, containerd, CRI-O and Podman put into it: 64 hexadecimal digits; "" if there is none. Returns
 * out. */
const char *ccol__container_id(char out[CONTAINER_TEXT_SIZE], const char *text, size_t length);

#endif
