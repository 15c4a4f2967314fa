/* SPDX-License-Identifier: MIT */
#include "monitor/redact_words.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

#define NAME_MAX_LENGTH 64
#define TOKEN_LEAST     15 /* no token of the table is shorter */

bool ccol__word_is(struct span word, const char *lower)
{
    return ccol__text_equal_nocase(word.text, word.length, lower);
}

static bool is_listed(struct span word, const char *const *list)
{
    for (; *list; list++)
        if (ccol__word_is(word, *list)) return true;
    return false;
}

/* Takes the last part off the name: what stands behind '_', '-', '.', '+' or a change from lower to upper case. */
static struct span take_part(struct span *name)
{
    size_t end = name->length;
    while (end && strchr("_-.+", name->text[end - 1]))
        end--;
    size_t start = end;
    while (start && !strchr("_-.+", name->text[start - 1])) {
        start--;
        if (start && isupper((unsigned char)name->text[start]) && islower((unsigned char)name->text[start - 1])) break;
    }
    struct span part = ccol__span(name->text + start, end - start);
    *name = ccol__span_to(*name, start);
    return part;
}

/* "api" before "key" */
static bool is_pair(struct span first, struct span second)
{
    static const char *const keys[] = {"api",     "access",  "secret", "private", "auth",    "encryption", "signing",
                                       "account", "storage", "shared", "master",  "license", NULL};
    static const char *const ids[] = {"session", "sess", NULL};
    if (ccol__word_is(second, "key")) return is_listed(first, keys);
    return ccol__word_is(second, "id") && is_listed(first, ids);
}

bool ccol__word_names_secret(struct span word, bool *header)
{
    static const char *const names[] = {
        "password",      "passwd",    "pwd",        "passphrase",       "passcode",   "secret",     "secrets",
        "token",         "apikey",    "accesskey",  "secretkey",        "privatekey", "credential", "credentials",
        "authorization", "cookie",    "cookies",    "sessionid",        "jsessionid", "phpsessid",  "csrf",
        "xsrf",          "signature", "dsn",        "connectionstring", "userpass",   "authtoken",  "accesstoken",
        "refreshtoken",  "idtoken",   "pgpassword", "sshpass",          NULL};
    static const char *const last_names[] = {"pass", "otp", NULL};
    static const char *const headers[] = {"authorization", "cookie", NULL};
    static const char *const harmless[] = {"count", "counts", "type",    "length", "size",    "file",   "path",
                                           "url",   "name",   "expires", "expiry", "expired", "policy", "limit",
                                           "ttl",   "hash",   "kind",    "bucket", NULL};
    if (word.length > NAME_MAX_LENGTH) word = ccol__span_from(word, word.length - NAME_MAX_LENGTH);
    struct span rest = word, later = ccol__span_of("");
    *header = false;
    for (bool is_last = true; rest.length; is_last = false) {
        struct span part = take_part(&rest);
        if (is_last && is_listed(part, harmless)) return false; /* token_count, password-file */
        if (is_listed(part, names) || (is_last && is_listed(part, last_names))) {
            *header = is_last && is_listed(part, headers);
            return true;
        }
        if (is_pair(part, later)) return true;
        later = part;
    }
    return false;
}

bool ccol__word_is_key(struct span word)
{
    size_t hex = 0, digits = 0, letters = 0;
    for (size_t i = 0; i < word.length; i++) {
        hex += isxdigit((unsigned char)word.text[i]) != 0;
        digits += isdigit((unsigned char)word.text[i]) != 0;
        letters += isalpha((unsigned char)word.text[i]) != 0;
    }
    return (word.length >= 16 && hex == word.length) || (word.length >= 24 && digits >= 3 && letters >= 3);
}

/* Tokens that begin with a word of their own: then at least `least` of the letters of tokens. */
static const struct {
    const char *prefix;
    size_t least;
} tokens[] = {
    {"AKIA", 16},
    {"ASIA", 16},
    {"AROA", 16},
    {"ghp_", 36},
    {"gho_", 36},
    {"ghu_", 36},
    {"ghs_", 36},
    {"ghr_", 36},
    {"github_pat_", 22},
    {"glpat-", 20},
    {"gldt-", 20},
    {"glrt-", 20},
    {"xoxb-", 10},
    {"xoxp-", 10},
    {"xoxa-", 10},
    {"xoxr-", 10},
    {"xoxs-", 10},
    {"xapp-", 10},
    {"sk_live_", 10},
    {"sk_test_", 10},
    {"rk_live_", 10},
    {"rk_test_", 10},
    {"whsec_", 20},
    {"sk-proj-", 20},
    {"sk-ant-", 20},
    {"sk-", 40},
    {"AIza", 35},
    {"npm_", 36},
    {"pypi-AgE", 20},
    {"sntrys_", 20},
    {"sntryu_", 20},
    {"SG.", 30},
    {"dop_v1_", 32},
    {"hf_", 30},
    {"shpat_", 32},
    {"sq0atp-", 22},
    {"AGE-SECRET-KEY-1", 40},
    {"ya29.", 20},
    {"eyJ", 20},
    {"dckr_pat_", 20},
    {"hvs.", 24},
    {"LTAI", 12},
};

static bool is_token_letter(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == '=' || c == '/' || c == '+';
}

static size_t count_dots(struct span text)
{
    size_t dots = 0;
    for (size_t i = 0; i < text.length; i++)
        dots += text.text[i] == '.';
    return dots;
}

/* The path of a Slack webhook: "hooks.slack.com/services/T000/B000/XXXX" */
static size_t webhook(struct span text)
{
    static const char slack[] = "hooks.slack.com/services/";
    if (!ccol__span_starts(text, slack)) return 0;
    size_t end = strlen(slack);
    while (end < text.length && is_token_letter(text.text[end]))
        end++;
    return end;
}

size_t ccol__word_token(struct span text, size_t word_length)
{
    if (word_length < TOKEN_LEAST) return webhook(text);
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        size_t prefix = strlen(tokens[i].prefix);
        if (word_length < prefix + tokens[i].least || !ccol__span_starts(text, tokens[i].prefix)) continue;
        bool web_token = strcmp(tokens[i].prefix, "eyJ") == 0;
        if (web_token && count_dots(ccol__span_to(text, word_length)) < 2) continue;
        size_t end = word_length;
        while (!web_token && end < text.length && text.text[end] == '=')
            end++;
        return end;
    }
    return webhook(text);
}
