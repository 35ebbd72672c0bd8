/* SPDX-License-Identifier: Apache-2.0 */
/* Strict, bounded JSON: no comments, no trailing commas, no key twice, depth and size limited. */
#include "json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *at, *end, *text;
    char *why;
    int depth;
};

static struct json *value(struct reader *in);

static struct json *wrong(struct reader *in, const char *what) {
    if (!*in->why) {
        int line = 1;
        for (const char *c = in->text; c < in->at; c++)
            line += *c == '\n';
        snprintf(in->why, 160, "line %d: %s", line, what);
    }
    return NULL;
}

static void blanks(struct reader *in) {
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r'))
        in->at++;
}

static bool take(struct reader *in, char wanted) {
    blanks(in);
    if (in->at == in->end || *in->at != wanted)
        return false;
    in->at++;
    return true;
}

static struct json *made(struct reader *in, enum json_kind kind) {
    struct json *new = calloc(1, sizeof *new);
    if (!new)
        return wrong(in, "no memory");
    new->kind = kind;
    return new;
}

static int hex4(struct reader *in) {
    int code = 0;
    if (in->end - in->at < 4)
        return -1;
    for (int i = 0; i < 4; i++, in->at++) {
        char c = *in->at;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

static char *utf8(char *out, long code) {
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 63));
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    }
    return out;
}

/* After \u: one code point, two halves where it needs them; -1 for half a pair or NUL, which C strings cannot hold. */
static long code_point(struct reader *in) {
    long code = hex4(in);
    if (code >= 0xd800 && code < 0xdc00) {
        if (in->end - in->at < 6 || in->at[0] != '\\' || in->at[1] != 'u')
            return -1;
        in->at += 2;
        long low = hex4(in);
        if (low < 0xdc00 || low > 0xdfff)
            return -1;
        return 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00);
    }
    return code >= 0xdc00 && code < 0xe000 ? -1 : code == 0 ? -1 : code;
}

/* An escape is never shorter than what it stands for, so the text fits where the source was. */
static char *string(struct reader *in) {
    const char *close = in->at;
    while (close < in->end && *close != '"')
        close += *close == '\\' && close + 1 < in->end ? 2 : 1;
    if (close >= in->end)
        return (char *)wrong(in, "a string does not end");
    char *text = malloc((size_t)(close - in->at) + 1), *out = text;
    if (!text)
        return (char *)wrong(in, "no memory");
    while (in->at < close) {
        unsigned char c = (unsigned char)*in->at++;
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *simple = NULL;
        long code = 0;
        if (c < 0x20) {
            free(text);
            return (char *)wrong(in, "a control character in a string");
        }
        if (c != '\\') {
            *out++ = (char)c;
        } else if (*in->at && (simple = strchr(from, *in->at))) {
            *out++ = to[simple - from];
            in->at++;
        } else if (*in->at++ == 'u' && (code = code_point(in)) > 0) {
            out = utf8(out, code);
        } else {
            free(text);
            return (char *)wrong(in, "an escape that is none");
        }
    }
    in->at = close + 1;
    *out = 0;
    return text;
}

static long digits_at(struct reader *in) {
    const char *start = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
        in->at++;
    return in->at - start;
}

static struct json *number(struct reader *in) {
    const char *start = in->at;
    char digits[64];
    if (in->at < in->end && *in->at == '-')
        in->at++;
    const char *whole = in->at;
    if (digits_at(in) == 0 || (*whole == '0' && in->at - whole > 1))
        return wrong(in, "a value is not JSON");
    if (in->at < in->end && *in->at == '.') {
        in->at++;
        if (digits_at(in) == 0)
            return wrong(in, "a number ends with a point");
    }
    if (in->at < in->end && (*in->at == 'e' || *in->at == 'E')) {
        in->at++;
        if (in->at < in->end && (*in->at == '+' || *in->at == '-'))
            in->at++;
        if (digits_at(in) == 0)
            return wrong(in, "a number without its exponent");
    }
    if (in->at - start >= (long)sizeof digits)
        return wrong(in, "a number of more than 63 characters");
    memcpy(digits, start, (size_t)(in->at - start));
    digits[in->at - start] = 0;
    struct json *new = made(in, JSON_NUMBER);
    if (new)
        new->number = strtod(digits, NULL);
    return new;
}

static struct json *word(struct reader *in) {
    static const struct { const char *text; enum json_kind kind; double number; } words[] = {
        {"true", JSON_BOOL, 1}, {"false", JSON_BOOL, 0}, {"null", JSON_NULL, 0}};
    for (int i = 0; i < 3; i++) {
        size_t length = strlen(words[i].text);
        if ((size_t)(in->end - in->at) >= length && !memcmp(in->at, words[i].text, length)) {
            in->at += length;
            struct json *new = made(in, words[i].kind);
            if (new)
                new->number = words[i].number;
            return new;
        }
    }
    return number(in);
}

static struct json *broken(struct reader *in, struct json *list, const char *what) {
    json_free(list);
    return what ? wrong(in, what) : NULL;
}

static struct json *list(struct reader *in, enum json_kind kind, char close) {
    struct json *new = made(in, kind), **tail = new ? &new->first : NULL;
    if (!new || take(in, close))
        return new;
    do {
        char *name = NULL;
        if (kind == JSON_OBJECT) {
            if (!take(in, '"') || !(name = string(in)))
                return broken(in, new, "a key must be a string");
            if (json_get(new, name) || !take(in, ':')) {
                free(name);
                return broken(in, new, "a key is given twice or lacks its colon");
            }
        }
        struct json *item = value(in);
        if (!item) {
            free(name);
            return broken(in, new, NULL);
        }
        item->name = name;
        *tail = item;
        tail = &item->next;
    } while (take(in, ','));
    return take(in, close) ? new : broken(in, new, kind == JSON_OBJECT ? "expected , or }" : "expected , or ]");
}

static struct json *value(struct reader *in) {
    struct json *new = NULL;
    blanks(in);
    if (in->at == in->end)
        return wrong(in, "it ends too early");
    if (++in->depth > JSON_DEPTH)
        return wrong(in, "nested too deeply");
    if (take(in, '{')) {
        new = list(in, JSON_OBJECT, '}');
    } else if (take(in, '[')) {
        new = list(in, JSON_ARRAY, ']');
    } else if (take(in, '"')) {
        char *text = string(in);
        new = text ? made(in, JSON_STRING) : NULL;
        if (new)
            new->text = text;
    } else {
        new = word(in);
    }
    in->depth--;
    return new;
}

struct json *json_parse(const char *text, size_t length, char *why) {
    struct reader in = {text, text + length, text, why, 0};
    *why = 0;
    if (length > JSON_LARGEST || memchr(text, 0, length))
        return wrong(&in, length > JSON_LARGEST ? "larger than 1 MiB" : "it holds a NUL byte");
    struct json *new = value(&in);
    if (!new)
        return NULL;
    blanks(&in);
    return in.at == in.end ? new : broken(&in, new, "something follows the value");
}

struct json *json_file(const char *path, char *why) {
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(why, 160, "%s", strerror(errno));
        return NULL;
    }
    char *text = malloc(JSON_LARGEST + 2);
    size_t length = text ? fread(text, 1, JSON_LARGEST + 1, file) : 0;
    bool failed = !text || ferror(file);
    fclose(file);
    if (!failed)
        text[length] = 0;
    struct json *new = failed ? NULL : json_parse(text, length, why);
    if (failed)
        snprintf(why, 160, "cannot be read");
    free(text);
    return new;
}

void json_free(struct json *value) {
    while (value) {
        struct json *next = value->next;
        json_free(value->first);
        free(value->name);
        free(value->text);
        free(value);
        value = next;
    }
}

const struct json *json_get(const struct json *object, const char *name) {
    if (!object || object->kind != JSON_OBJECT)
        return NULL;
    for (const struct json *item = object->first; item; item = item->next)
        if (item->name && !strcmp(item->name, name))
            return item;
    return NULL;
}

const char *json_text(const struct json *value) {
    return value && value->kind == JSON_STRING ? value->text : NULL;
}

bool json_integer(const struct json *value, long *out) {
    if (!value || value->kind != JSON_NUMBER || value->number < -1e15 || value->number > 1e15 ||
        value->number != (double)(long)value->number)
        return false;
    *out = (long)value->number;
    return true;
}

int json_count(const struct json *value) {
    int count = 0;
    for (const struct json *item = value ? value->first : NULL; item; item = item->next)
        count++;
    return count;
}

const char *json_kind_name(const struct json *value) {
    static const char *const names[] = {"null", "a bool", "a number", "a string", "an array", "an object"};
    return value ? names[value->kind] : "nothing";
}
