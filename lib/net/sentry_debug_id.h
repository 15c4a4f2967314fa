/* SPDX-License-Identifier: MIT */
/* What Sentry and symbol servers look an ELF file up by. */
#ifndef CCOL_NET_SENTRY_DEBUG_ID_H
#define CCOL_NET_SENTRY_DEBUG_ID_H

#include <stddef.h>
#include <stdint.h>

#define SENTRY_DEBUG_ID_SIZE 37

/* The first 16 bytes of a build id, or of what stands in for one, as a little-endian GUID. Returns out. */
const char *ccol__sentry_debug_id(char out[SENTRY_DEBUG_ID_SIZE], const uint8_t *id, size_t length);

#endif
