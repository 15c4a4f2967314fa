/* SPDX-License-Identifier: MIT */
/* What the parts of the assembly share: settings as the options of what is built from them want them. */
#ifndef CCOL_SETTINGS_ASSEMBLY_H
#define CCOL_SETTINGS_ASSEMBLY_H

#include "settings/settings.h"

/* A SIZE, TIME (in ms) or NUMBER, cut to what an unsigned int holds. */
unsigned ccol__assembly_amount(const ccol_settings *settings, enum setting_id id);
bool ccol__assembly_switch(const ccol_settings *settings, enum setting_id id);
/* Index of the word in its list of choices; 0 for what is none. */
unsigned ccol__assembly_choice(const ccol_settings *settings, enum setting_id id);

/* Whether a file of patterns (REDACT_PATTERNS, LOG_RULES) can be read and all of them are understood. */
int ccol__assembly_check_patterns(enum setting_id id, const char *file, ccol_error *err);
struct keeper_shipper;
/* The shipper's process, as struct keeper_options wants it; `user` is the settings, which are freed. */
int ccol__settings_ship(void *user, const struct keeper_shipper *from);

/* *out stays NULL where nobody is to be told. */
int ccol__assembly_open_publisher(ccol_settings *settings, ccol_publisher **out, ccol_error *err);

#endif
