/* SPDX-License-Identifier: MIT */
#include "settings/assembly.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "settings/values.h"

unsigned ccol__assembly_amount(const ccol_settings *settings, enum setting_id id)
{
    uint64_t value = ccol__settings_amount(settings, id);
    return value > UINT_MAX ? UINT_MAX : (unsigned)value;
}

bool ccol__assembly_switch(const ccol_settings *settings, enum setting_id id)
{
    bool on = false;
    return ccol__value_switch(ccol__settings_value(settings, id), &on) && on;
}

unsigned ccol__assembly_choice(const ccol_settings *settings, enum setting_id id)
{
    unsigned index = 0;
    const char *value = ccol__settings_value(settings, id);
    return ccol__value_choice(ccol__setting_table[id].argument, value, strlen(value), &index) ? index : 0;
}

const char **ccol__assembly_words(const char *list)
{
    size_t count = 0, length;
    if (!list) list = "";
    for (const char *at = list; ccol__value_next_word(&at, &length);)
        count++;
    size_t pointers = (count + 1) * sizeof(char *);
    char *memory = malloc(pointers + strlen(list) + 1);
    if (!memory) return NULL;
    const char **words = (const char **)(void *)memory;
    char *text = memory + pointers;
    const char *word;
    count = 0;
    for (const char *at = list; (word = ccol__value_next_word(&at, &length));) {
        memcpy(text, word, length);
        text[length] = '\0';
        words[count++] = text;
        text += length + 1;
    }
    words[count] = NULL;
    return words;
}
