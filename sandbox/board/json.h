/* SPDX-License-Identifier: Apache-2.0 */
/* Strict, bounded JSON (RFC 8259) for cfg files and for the control port. */
#ifndef KILN_JSON_H
#define KILN_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    char *name;                             /* the key, in an object */
    char *text;                             /* of a string */
    double number;                          /* of a number; 0 or 1 of a bool */
    struct json *first, *next;
};

enum { JSON_DEPTH = 32, JSON_LARGEST = 1 << 20 };

/* The value, or NULL with `why` (at least 160 bytes) saying what is wrong in which line. Freed by json_free. */
struct json *json_parse(const char *text, size_t length, char *why);
struct json *json_file(const char *path, char *why);
void json_free(struct json *value);
const struct json *json_get(const struct json *object, const char *name);
const char *json_text(const struct json *value);
bool json_integer(const struct json *value, long *out);
int json_count(const struct json *value);
const char *json_kind_name(const struct json *value);

#endif
