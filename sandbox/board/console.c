/* SPDX-License-Identifier: Apache-2.0 */
/* The console: one line a call, with the seconds since power-on. */
#include "board.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *board_root = "";

double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

void clean(char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
}

void say(const char *who, const char *format, ...) {
    char line[1024];
    int head = snprintf(line, 128, "[%9.3f] %s: ", now(), who);
    va_list arguments;
    va_start(arguments, format);
    int body = vsnprintf(line + head, sizeof line - (size_t)head - 2, format, arguments);
    va_end(arguments);
    size_t length = (size_t)head + (body < 0 ? 0 : (size_t)body);
    if (length > sizeof line - 3)
        length = sizeof line - 3;
    clean(line, length);
    memcpy(line + length, "\n", 2);
    if (write(STDERR_FILENO, line, length + 1) < 0)
        return;                             /* no console: nobody to tell */
}
