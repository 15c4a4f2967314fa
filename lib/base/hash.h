/* SPDX-License-Identifier: MIT */
#ifndef CCOL_BASE_HASH_H
#define CCOL_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

/* SHA-256 over pieces (libcrypto). One thread at a time. */
struct sha256;
struct sha256 *ccol__sha256_new(void); /* NULL: memory */
void ccol__sha256_reset(struct sha256 *hash);
void ccol__sha256_update(struct sha256 *hash, const void *data, size_t length);
void ccol__sha256_final(struct sha256 *hash, uint8_t out[SHA256_BYTES]);
void ccol__sha256_free(struct sha256 *hash);

/* Of one piece. false: memory. */
bool ccol__sha256(const void *data, size_t length, uint8_t out[SHA256_BYTES]);
bool ccol__hmac_sha256(const void *key, size_t key_length, const void *data, size_t length, uint8_t out[SHA256_BYTES]);

/* CRC-32C (Castagnoli), continued from crc (start with 0). ISA-L, SSE4.2 or a table, all with the same result. */
uint32_t ccol__crc32c(uint32_t crc, const void *data, size_t length);

/* Lower-case hex of length bytes; out holds 2 * length + 1. */
const char *ccol__hex(char *out, const uint8_t *bytes, size_t length);

#endif
