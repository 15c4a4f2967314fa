/* SPDX-License-Identifier: MIT */
#include "base/hash.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

/* A libcrypto digest context under our own name. */
static EVP_MD_CTX *context(struct sha256 *hash)
{
    return (EVP_MD_CTX *)(void *)hash;
}

struct sha256 *ccol__sha256_new(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return NULL;
    }
    return (struct sha256 *)(void *)ctx;
}

void ccol__sha256_reset(struct sha256 *hash)
{
    EVP_DigestInit_ex(context(hash), NULL, NULL);
}

void ccol__sha256_update(struct sha256 *hash, const void *data, size_t length)
{
    EVP_DigestUpdate(context(hash), data, length);
}

void ccol__sha256_final(struct sha256 *hash, uint8_t out[SHA256_BYTES])
{
    EVP_DigestFinal_ex(context(hash), out, NULL);
}

void ccol__sha256_free(struct sha256 *hash)
{
    EVP_MD_CTX_free(context(hash));
}

bool ccol__sha256(const void *data, size_t length, uint8_t out[SHA256_BYTES])
{
    return EVP_Digest(data, length, out, NULL, EVP_sha256(), NULL) == 1;
}

bool ccol__hmac_sha256(const void *key, size_t key_length, const void *data, size_t length, uint8_t out[SHA256_BYTES])
{
    return HMAC(EVP_sha256(), key, (int)key_length, data, length, out, NULL) != NULL;
}

const char *ccol__hex(char *out, const uint8_t *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * length] = '\0';
    return out;
}
