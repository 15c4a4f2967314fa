/* SPDX-License-Identifier: MIT */
/* Keys of a profile in the files that AWS's tools share: ~/.aws/credentials and ~/.aws/config. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/folder.h"
#include "base/ini.h"
#include "base/text.h"
#include "net/aws_sources.h"

#define FILE_MAX  ((size_t)1 << 20)
#define CHAIN_MAX 5 /* profiles that take their keys from one another */
#define PATH_SIZE 4096

/* What is read of a profile; each NULL where it is not there. TEXT(member, key) */
#define PROFILE(TEXT)                                                                                                  \
    TEXT(access_key_id, "aws_access_key_id")                                                                           \
    TEXT(secret, "aws_secret_access_key")                                                                              \
    TEXT(session_token, "aws_session_token")                                                                           \
    TEXT(role_arn, "role_arn")                                                                                         \
    TEXT(source_profile, "source_profile")                                                                             \
    TEXT(identity_file, "web_identity_token_file")                                                                     \
    TEXT(session_name, "role_session_name")                                                                            \
    TEXT(external_id, "external_id")                                                                                   \
    TEXT(duration_s, "duration_seconds")                                                                               \
    TEXT(region, "region")                                                                                             \
    TEXT(credential_process, "credential_process")                                                                     \
    TEXT(credential_source, "credential_source")                                                                       \
    TEXT(sso_session, "sso_session")                                                                                   \
    TEXT(sso_start_url, "sso_start_url")

struct profile {
#define MEMBER(member, key) char *member;
    PROFILE(MEMBER)
#undef MEMBER
    bool found, no_memory;
};

static void drop(char **text)
{
    if (*text) explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

static void release(struct profile *profile)
{
#define DROP(member, key) drop(&profile->member);
    PROFILE(DROP)
#undef DROP
}

static void set(struct profile *profile, const struct ini_property *property)
{
    char **slot = NULL;
#define SLOT(member, word)                                                                                             \
    if (ccol__text_equal_nocase(property->key, property->key_length, word)) slot = &profile->member;
    PROFILE(SLOT)
#undef SLOT
    if (!slot) return;
    drop(slot);
    if (!property->value_length) return;
    *slot = strndup(property->value, property->value_length);
    profile->no_memory = profile->no_memory || !*slot;
}

/* Whether a section is that profile: [NAME], in the config file [profile NAME]. */
static bool is_profile(const struct ini *ini, const char *name, bool config)
{
    static const char word[] = "profile";
    const char *section = ini->section;
    size_t length = ini->section_length, word_length = sizeof word - 1;
    bool with_word = length > word_length && memcmp(section, word, word_length) == 0 &&
                     (section[word_length] == ' ' || section[word_length] == '\t');
    if (config && !with_word && strcmp(name, "default") != 0) return false;
    if (config && with_word) {
        size_t skip = word_length + strspn(section + word_length, " \t");
        section += skip;
        length -= skip;
    }
    if (length >= 2 && section[0] == '"' && section[length - 1] == '"') {
        section++;
        length -= 2;
    }
    return length == strlen(name) && memcmp(section, name, length) == 0;
}

static void read_profile(struct profile *profile, const struct buffer *text, const char *name, bool config)
{
    struct ini ini = {.at = text->data, .end = text->data + text->length};
    struct ini_property property;
    while (text->data && ccol__ini_next(&ini, &property)) {
        if (!is_profile(&ini, name, config)) continue;
        profile->found = true;
        set(profile, &property);
    }
}

/* named: the user said which file, so it must be there. */
static int read_file(const struct aws_sources *sources, struct profile *profile, const char *named, const char *name,
                     bool config, ccol_error *err)
{
    char path[PATH_SIZE];
    struct buffer text;
    if (!named && !sources->home) return 0;
    snprintf(path, sizeof path, "%s%s", named ? named : sources->home,
             named    ? ""
             : config ? "/.aws/config"
                      : "/.aws/credentials");
    int code = ccol__file_read(AT_FDCWD, path, FILE_MAX, &text, NULL);
    if (code == -ENOENT && !named) return 0;
    if (code == -EACCES && !named) return 0; /* a home of somebody else */
    if (code) return ccol_fail(err, code, "cannot read AWS's profiles in %s", path);
    read_profile(profile, &text, name, config);
    ccol__buffer_wipe(&text);
    return profile->no_memory ? ccol_fail(err, -ENOMEM, "cannot read AWS's profiles in %s", path) : 0;
}

static const char *unsupported(const struct profile *profile)
{
    if (profile->credential_process) return "credential_process";
    if (profile->sso_session || profile->sso_start_url) return "single sign-on";
    if (profile->credential_source) return "credential_source";
    return NULL;
}

static int keys_of(struct aws_sources *sources, const char *name, unsigned depth, bool asked, struct aws_keys **out,
                   ccol_error *err);

static int take_role(struct aws_sources *sources, const struct profile *profile, const char *name, unsigned depth,
                     struct aws_keys **out, ccol_error *err)
{
    struct aws_role role = {.arn = profile->role_arn,
                            .session_name = profile->session_name,
                            .identity_file = profile->identity_file,
                            .external_id = profile->external_id,
                            .duration_s = profile->duration_s,
                            .region = profile->region,
                            .source = "the profile's role"};
    if (role.identity_file) return ccol__aws_assume_role(sources, &role, out, err);
    struct aws_keys *base = NULL;
    int code = 0;
    if (strcmp(profile->source_profile, name) != 0)
        code = keys_of(sources, profile->source_profile, depth + 1, true, &base, err);
    else if (profile->access_key_id && profile->secret)
        base = ccol__aws_keys_new(profile->access_key_id, profile->secret, profile->session_token, 0, "");
    if (code) return code;
    if (!base) return ccol_fail(err, CCOL_EREMOTE, "AWS's profile %s has no keys of its own to take its role", name);
    role.keys = &base->keys;
    code = ccol__aws_assume_role(sources, &role, out, err);
    ccol__aws_keys_unref(base);
    return code;
}

static int use_profile(struct aws_sources *sources, const struct profile *profile, const char *name, unsigned depth,
                       bool asked, struct aws_keys **out, ccol_error *err)
{
    if (!profile->found && asked)
        return ccol_fail(err, CCOL_EREMOTE, "AWS's files have no profile %s (AWS_PROFILE or source_profile)", name);
    if (profile->role_arn && (profile->identity_file || profile->source_profile))
        return take_role(sources, profile, name, depth, out, err);
    if (profile->access_key_id && profile->secret) {
        *out = ccol__aws_keys_new(profile->access_key_id, profile->secret, profile->session_token, 0,
                                  "a profile in AWS's files");
        return *out ? 0 : ccol_fail(err, -ENOMEM, "AWS's profile %s", name);
    }
    const char *other = unsupported(profile);
    if (other)
        return ccol_fail(err, CCOL_EREMOTE,
                         "AWS's profile %s uses %s, which is not supported here: give it keys, or a "
                         "role_arn with source_profile or web_identity_token_file",
                         name, other);
    if (asked || profile->access_key_id || profile->secret)
        return ccol_fail(err, CCOL_EREMOTE, "AWS's profile %s has no aws_access_key_id or no aws_secret_access_key",
                         name);
    return 0;
}

/* asked: the profile was named, so that it must have keys. */
static int keys_of(struct aws_sources *sources, const char *name, unsigned depth, bool asked, struct aws_keys **out,
                   ccol_error *err)
{
    struct profile profile = {0};
    if (depth == CHAIN_MAX)
        return ccol_fail(err, CCOL_EREMOTE, "AWS's profiles: more than %d source_profile after another", CHAIN_MAX);
    int code = read_file(sources, &profile, sources->config_file, name, true, err);
    if (!code) code = read_file(sources, &profile, sources->credentials_file, name, false, err);
    if (!code) code = use_profile(sources, &profile, name, depth, asked, out, err);
    release(&profile);
    return code;
}

int ccol__aws_from_profile(struct aws_sources *sources, struct aws_keys **out, ccol_error *err)
{
    *out = NULL;
    return keys_of(sources, sources->profile ? sources->profile : "default", 0, sources->profile != NULL, out, err);
}
