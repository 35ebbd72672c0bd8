/* SPDX-License-Identifier: Apache-2.0 */
/* The system parameters: a small table, ${name} in texts, and what the kernel's command line says. */
#include "board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMS_MOST = 128, PARAM_NAME = 96, PARAM_VALUE = 96 };

static struct { char name[PARAM_NAME + 1], value[PARAM_VALUE + 1]; } params[PARAMS_MOST];
static int param_count;
static char kernel_line[4096];

bool param_set(const char *name, const char *value) {
    int at = 0;
    if (!*name || strlen(name) > PARAM_NAME || strlen(value) > PARAM_VALUE)
        return false;
    while (at < param_count && strcmp(params[at].name, name))
        at++;
    if (at == PARAMS_MOST)
        return false;
    if (at == param_count)
        strcpy(params[param_count++].name, name);
    strcpy(params[at].value, value);
    return true;
}

const char *param_get(const char *name) {
    for (int at = 0; at < param_count; at++)
        if (!strcmp(params[at].name, name))
            return params[at].value;
    return NULL;
}

/* False if it does not fit or names a parameter that is not set, as in the real init. */
bool expand(const char *text, char *out, size_t room) {
    char name[PARAM_NAME + 1];
    while (*text) {
        const char *close = text[0] == '$' && text[1] == '{' ? strchr(text, '}') : NULL;
        if (close && (size_t)(close - text - 2) <= PARAM_NAME) {
            snprintf(name, sizeof name, "%.*s", (int)(close - text - 2), text + 2);
            const char *value = param_get(name);
            if (!value || strlen(value) >= room)
                return false;
            strcpy(out, value);
            out += strlen(value);
            room -= strlen(value);
            text = close + 1;
            continue;
        }
        if (room < 2)
            return false;
        *out++ = *text++;
        room--;
    }
    *out = 0;
    return true;
}

void params_from_kernel(void) {
    FILE *file = fopen("/proc/cmdline", "re");
    if (!file)
        return;
    if (!fgets(kernel_line, sizeof kernel_line, file))
        kernel_line[0] = 0;
    fclose(file);
    char copy[sizeof kernel_line], *rest = copy;
    strcpy(copy, kernel_line);
    for (char *word; (word = strsep(&rest, " \n"));) {
        char *value = strchr(word, '=');
        if (!value || (strncmp(word, "ohos.", 5) && strncmp(word, "kiln.", 5)))
            continue;
        *value++ = 0;
        if (!param_set(word, value))
            say("init", "%s on the kernel's command line is too long", word);
    }
}

long kernel_number(const char *name, long otherwise) {
    const char *value = param_get(name);
    char *end = NULL;
    long number = value ? strtol(value, &end, 10) : otherwise;
    return value && (*end || !*value) ? otherwise : number;
}
