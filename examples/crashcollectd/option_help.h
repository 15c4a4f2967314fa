/* SPDX-License-Identifier: MIT */
/* The options of --help; for both programs. */
#ifndef CRASHCOLLECTD_OPTION_HELP_H
#define CRASHCOLLECTD_OPTION_HELP_H

#include <crashcollect.h>

/* One option with its text wrapped beside it. */
void option_help_print(const char *option, const char *argument, const char *help);
/* All settings of the program, with their defaults. */
void option_help_print_settings(const ccol_settings *settings);

#endif
