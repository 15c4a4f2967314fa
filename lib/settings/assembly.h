/* SPDX-License-Identifier: MIT */
/* What the parts of the assembly share: settings as the options of what is built from them want them. */
#ifndef CCOL_SETTINGS_ASSEMBLY_H
#define CCOL_SETTINGS_ASSEMBLY_H

#include "settings/settings.h"

/* A SIZE, TIME (in ms) or NUMBER, cut to what an unsigned int holds. */
unsigned ccol__assembly_amount(const ccol_settings *settings, enum setting_id id);
bool ccol__assembly_switch(const ccol_settings *settings, enum setting_id id);
/* The words of a list as C strings with NULL behind them, all in one allocation; NULL: memory. */
const char **ccol__assembly_words(const char *list);
/* Index of the word in its list of choices; 0 for what is none. */
unsigned ccol__assembly_choice(const ccol_settings *settings, enum setting_id id);

/* Whether a file of patterns (REDACT_PATTERNS, LOG_RULES) can be read and all of them are understood. */
int ccol__assembly_check_patterns(enum setting_id id, const char *file, ccol_error *err);
struct keeper_shipper;
/* The shipper's process, as struct keeper_options wants it; `user` is the settings, which are freed. */
int ccol__assembly_ship(void *user, const struct keeper_shipper *from);

/* The storage that the S3 settings describe. */
int ccol__assembly_new_s3(const ccol_settings *settings, ccol_storage **out, ccol_error *err);
/* The storage that the SENTRY settings describe. */
int ccol__assembly_new_sentry(const ccol_settings *settings, ccol_storage **out, ccol_error *err);
/* Opens settings->reporter if there is a DSN and own errors are wanted; needs the log writer. */
int ccol__assembly_open_reporter(ccol_settings *settings, ccol_error *err);
/* *out stays NULL where nobody is to be told. */
int ccol__assembly_open_publisher(ccol_settings *settings, ccol_publisher **out, ccol_error *err);

#endif
