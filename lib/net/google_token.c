/* SPDX-License-Identifier: MIT */
#include "net/google_token.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/auto.h"
#include "base/base64.h"
#include "base/folder.h"
#include "base/json.h"

#define KEY_FILE_MAX  ((size_t)64 << 10)
#define TOKEN_MAX     ((size_t)16 << 10)
#define LIFETIME_S    3600
#define RENEW_AHEAD_S 300
#define SECOND_US     INT64_C(1000000)

struct service_account {
    const char *email, *key_id, *private_key; /* in the arena */
};

int ccol__google_token_init(struct google_token *token, const char *key_file, const char *audience, ccol_error *err)
{
    *token = (struct google_token){.key_file = strdup(key_file), .audience = strdup(audience)};
    pthread_mutex_init(&token->lock, NULL);
    return token->key_file && token->audience ? 0 : ccol_fail(err, -ENOMEM, "cannot keep the name of the key file");
}

static void forget(struct google_token *token)
{
    if (token->bearer) explicit_bzero(token->bearer, strlen(token->bearer));
    free(token->bearer);
    token->bearer = NULL;
    token->expires_us = 0;
}

void ccol__google_token_fini(struct google_token *token)
{
    if (!token->key_file && !token->audience) return;
    forget(token);
    pthread_mutex_destroy(&token->lock);
    free(token->key_file);
    free(token->audience);
}

/* Base64 in the alphabet for URLs, without padding. */
static bool append_base64url(struct buffer *out, const void *bytes, size_t length)
{
    auto_free char *text = ccol__base64(bytes, length);
    if (!text) return false;
    text[strcspn(text, "=")] = '\0';
    for (char *at = text; *at; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    return ccol__buffer_text(out, text);
}

static const char *text_member(const struct json *object, const char *name)
{
    const struct json *member = object->type == JSON_OBJECT ? ccol__json_member(object, name) : NULL;
    return member && member->type == JSON_STRING && strlen(member->text) == member->length ? member->text : NULL;
}

static int read_account(const struct google_token *token, const char *text, size_t length, struct arena *arena,
                        struct service_account *account, ccol_error *err)
{
    const struct json_limits limits = {.depth = 4, .number_length = 32};
    struct json *object;
    ccol_error failure;
    int code = ccol__json_parse(arena, text, length, &limits, &object, &failure);
    if (code == -ENOMEM) return ccol_fail(err, code, "cannot read %s", token->key_file);
    if (!code) {
        account->email = text_member(object, "client_email");
        account->private_key = text_member(object, "private_key");
        account->key_id = text_member(object, "private_key_id");
    }
    if (!code && account->email && account->private_key) return 0;
    return ccol_fail(err, CCOL_EFORMAT,
                     "%s is no key of a service account: it must hold client_email and private_key (Google Cloud "
                     "console, IAM, service accounts, keys, JSON)",
                     token->key_file);
}

static bool append_signature(struct buffer *out, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    EVP_MD_CTX *context = key ? EVP_MD_CTX_new() : NULL;
    size_t length = 0;
    unsigned char *signature = NULL;
    bool signed_ = context && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
                   EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                   EVP_DigestSign(context, NULL, &length, (const unsigned char *)out->data, out->length) == 1 &&
                   (signature = malloc(length)) != NULL &&
                   EVP_DigestSign(context, signature, &length, (const unsigned char *)out->data, out->length) == 1;
    signed_ = signed_ && ccol__buffer_text(out, ".") && append_base64url(out, signature, length);
    free(signature);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return signed_;
}

static bool append_json_string(struct buffer *out, const char *before, const char *text)
{
    return ccol__buffer_text(out, before) && ccol__json_write_string(out, text, strlen(text));
}

/* HEADER.CLAIMS.SIGNATURE; false: memory, or the key is none. */
static bool write_token(const struct google_token *token, const struct service_account *account, int64_t now_s,
                        struct buffer *out)
{
    struct buffer part;
    ccol__buffer_init(&part, TOKEN_MAX, NULL);
    ccol__buffer_text(&part, "{\"alg\": \"RS256\", \"typ\": \"JWT\"");
    if (account->key_id) append_json_string(&part, ", \"kid\": ", account->key_id);
    bool good = ccol__buffer_text(&part, "}") && append_base64url(out, part.data, part.length);
    ccol__buffer_clear(&part);
    append_json_string(&part, "{\"iss\": ", account->email);
    append_json_string(&part, ", \"sub\": ", account->email);
    append_json_string(&part, ", \"aud\": ", token->audience);
    good = ccol__buffer_format(&part, ", \"iat\": %" PRId64 ", \"exp\": %" PRId64 "}", now_s, now_s + LIFETIME_S) &&
           good && ccol__buffer_text(out, ".") && append_base64url(out, part.data, part.length);
    ccol__buffer_fini(&part);
    return good;
}

static int make(struct google_token *token, int64_t now_us, ccol_error *err)
{
    struct buffer file, out;
    struct arena arena;
    struct service_account account = {0};
    int code = ccol__file_read(AT_FDCWD, token->key_file, KEY_FILE_MAX, &file, err);
    if (code) return code;
    ccol__arena_init(&arena, NULL);
    ccol__buffer_init(&out, TOKEN_MAX, NULL);
    code = read_account(token, file.data ? file.data : "", file.length, &arena, &account, err);
    if (!code && !write_token(token, &account, now_us / SECOND_US, &out)) code = ccol_fail(err, -ENOMEM, "no token");
    if (!code && !append_signature(&out, account.private_key))
        code = ccol_fail(err, CCOL_EFORMAT, "%s: its private_key is no RSA key in PEM form", token->key_file);
    forget(token);
    if (!code && asprintf(&token->bearer, "Bearer %s", out.data) < 0) {
        token->bearer = NULL;
        code = ccol_fail(err, -ENOMEM, "no token");
    }
    if (!code) token->expires_us = now_us + LIFETIME_S * SECOND_US;
    if (file.data) explicit_bzero(file.data, file.length);
    if (account.private_key) explicit_bzero((char *)(uintptr_t)account.private_key, strlen(account.private_key));
    if (out.data) explicit_bzero(out.data, out.length);
    ccol__buffer_fini(&file);
    ccol__buffer_fini(&out);
    ccol__arena_fini(&arena);
    return code;
}

int ccol__google_token_get(struct google_token *token, int64_t now_us, char **out, ccol_error *err)
{
    pthread_mutex_lock(&token->lock);
    bool fresh = token->bearer && now_us < token->expires_us - RENEW_AHEAD_S * SECOND_US;
    int code = fresh ? 0 : make(token, now_us, err);
    *out = code ? NULL : strdup(token->bearer);
    pthread_mutex_unlock(&token->lock);
    return !code && !*out ? ccol_fail(err, -ENOMEM, "no token") : code;
}

void ccol__google_token_drop(struct google_token *token)
{
    pthread_mutex_lock(&token->lock);
    token->expires_us = 0;
    pthread_mutex_unlock(&token->lock);
}
