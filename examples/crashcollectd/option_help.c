/* SPDX-License-Identifier: MIT */
#include "option_help.h"

#include <stdio.h>
#include <string.h>

#define HELP_COLUMN 36
#define HELP_WIDTH  100

/* Prints words from column HELP_COLUMN on, also in the lines after the first. */
static void print_wrapped(const char *text)
{
    int at = HELP_COLUMN;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (at + length > HELP_WIDTH)
            at = printf("\n%*s", HELP_COLUMN, "") - 1;
        else if (at > HELP_COLUMN)
            at += printf(" ");
        at += printf("%.*s", length, text);
        text += length + (text[length] == ' ');
    }
    putchar('\n');
}

void option_help_print(const char *option, const char *argument, const char *help)
{
    int used = printf("  --%s%s%s", option, argument[0] ? " " : "", argument);
    if (used >= HELP_COLUMN) used = printf("\n") - 1;
    printf("%*s", HELP_COLUMN - used, "");
    print_wrapped(help);
}

static void print_setting(void *user, const ccol_setting *setting)
{
    (void)user;
    char text[512];
    const char *fallback = setting->default_text;
    int length = (int)strlen(fallback);
    if (fallback[0] == '(') {
        fallback++;
        length -= 2;
    }
    if (length)
        snprintf(text, sizeof text, "%s [%.*s]", setting->help, length, fallback);
    else
        snprintf(text, sizeof text, "%s", setting->help);
    option_help_print(setting->option, setting->argument, text);
}

void option_help_print_settings(const ccol_settings *settings)
{
    ccol_settings_each(settings, print_setting, NULL);
}
