/* SPDX-License-Identifier: MIT */
/* Files of [section] and "key = value", as AWS's tools write them. Bytes in, lines out; no I/O. */
#ifndef CCOL_BASE_INI_H
#define CCOL_BASE_INI_H

#include <crashcollect/api.h>

/* Zeroed but for at and end, which bound the text. */
struct ini {
    const char *at, *end;
    const char *section; /* of the last line; NULL before the first */
    size_t section_length;
};

/* One property; all point into the text. */
struct ini_property {
    const char *section, *key, *value;
    size_t section_length, key_length, value_length;
};

/* The next property, or false at the end. Comments (# or ; at the start of a line, or after a blank), lines that begin
 * with a blank (properties of a property) and what is of no known form are skipped. */
bool ccol__ini_next(struct ini *ini, struct ini_property *out);

#endif
