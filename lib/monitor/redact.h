/* SPDX-License-Identifier: MIT */
/* Takes secrets out of log text and command lines: passwords in URLs and DSNs, values under names like password, token
 * or api_key (in URLs, JSON, logfmt, headers, options), Authorization and cookies, JSON web tokens, private keys, and
 * tokens known by their form (AWS, GitHub, GitLab, Slack, Stripe, Google, npm, PyPI, ...). What is found becomes
 * "*****". Linear time; no I/O. A redactor does not change after it was made: any thread, several at once. */
#ifndef CCOL_MONITOR_REDACT_H
#define CCOL_MONITOR_REDACT_H

#include <crashcollect/error.h>

#include "base/buffer.h"

#define REDACTED "*****"

struct redact_options {
    bool off; /* hands everything on as it is; the patterns below are then not used either */
    /* More of them, POSIX extended regular expressions; the text of each match, or of its first group if it has one, is
     * replaced. They are tried line by line on pieces of at most 4 KiB. */
    const char *const *patterns;
    size_t pattern_count;
};

struct redactor;
/* -ENOMEM; CCOL_EFORMAT: a pattern that is none, named in the text. options may be NULL. */
int ccol__redactor_new(struct redactor **out, const struct redact_options *options, ccol_error *err);
/* Appends text, one line or many, without its secrets. false: memory, or the buffer's ceiling. */
bool ccol__redact_text(const struct redactor *redactor, struct buffer *out, const char *text, size_t length);
/* The same for who has the lines one by one: *in_key (false at first) tells that a private key goes on. */
bool ccol__redact_line(const struct redactor *redactor, struct buffer *out, const char *line, size_t length,
                       bool *in_key);
/* Appends a command line for people, blanks between the arguments, those with blanks in them quoted. `arguments` is as
 * in /proc/PID/cmdline: each ends in a NUL. */
bool ccol__redact_command(const struct redactor *redactor, struct buffer *out, const char *arguments, size_t length);
void ccol__redactor_free(struct redactor *redactor);

#endif
