/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenHarmony .cfg files: imports, jobs and services, with the types and limits of the real init. */
#include "board.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cmd { char *text; struct cmd *next; };
struct job { char name[65]; struct cmd *first; };

enum { JOBS_MOST = 128 };
static struct job jobs[JOBS_MOST];
static int job_count;

/* What is wrong with the service at hand; its first complaint drops it. */
static char complaint[240];

static bool wrong(const char *key, const char *what) {
    if (!*complaint)
        snprintf(complaint, sizeof complaint, "%s %s", key, what);
    return false;
}

static bool copied(const struct json *value, const char *key, size_t most, char *out) {
    const char *text = json_text(value);
    if (!text || !*text || strlen(text) > most)
        return wrong(key, text ? "is empty or too long" : "must be a string");
    strcpy(out, text);
    return true;
}

/* A number, or a name of /etc/passwd or /etc/group. */
static bool identity(const struct json *value, const char *key, const char *file, unsigned *out) {
    char path[512], line[512];
    long number;
    if (json_integer(value, &number) && number >= 0 && number < 0xfffffffeL) {
        *out = (unsigned)number;
        return true;
    }
    const char *name = json_text(value);
    if (!name)
        return wrong(key, "must be a name or a number");
    snprintf(path, sizeof path, "%s%s", board_root, file);
    FILE *from = fopen(path, "re");
    bool found = false;
    while (from && !found && fgets(line, sizeof line, from)) {
        char *rest = line, *who = strsep(&rest, ":");
        strsep(&rest, ":");
        char *id = strsep(&rest, ":\n");
        if (id && !strcmp(who, name)) {
            *out = (unsigned)strtoul(id, NULL, 10);
            found = true;
        }
    }
    if (from)
        fclose(from);
    if (!found && !strcmp(name, "root")) {
        *out = 0;
        found = true;
    }
    if (!found) {
        snprintf(line, sizeof line, "%.64s is not in %s", name, file);
        return wrong(key, line);
    }
    return found;
}

static bool groups(struct service *new, const struct json *value) {
    const struct json *item = value && value->kind == JSON_ARRAY ? value->first : value;
    for (bool whole = item != value; item && new->gid_count < GIDS_MOST; item = whole ? item->next : NULL)
        if (!identity(item, "gid", "/etc/group", &new->gids[new->gid_count++]))
            return false;
    return new->gid_count > 0 || wrong("gid", "is empty");
}

static bool path(struct service *new, const struct json *value) {
    int count = json_count(value);
    if (!value || value->kind != JSON_ARRAY || count < 1)
        return wrong("path", "must be an array of strings");
    if (count > ARGS_MOST)
        return wrong("path", "has more than 19 strings");
    int at = 0;
    for (const struct json *item = value->first; item; item = item->next) {
        const char *text = json_text(item);
        if (!text || strlen(text) > ARG_MOST)
            return wrong("path", text ? "holds a string of more than 200 characters" : "must be an array of strings");
        new->path[at++] = strdup(text);
    }
    return new->path[0][0] == '/' || wrong("path", "must begin with an absolute path");
}

static bool environment(struct service *new, const struct json *value) {
    if (value->kind != JSON_ARRAY)
        return wrong("env", "must be an array");
    for (const struct json *item = value->first; item; item = item->next) {
        const char *name = json_text(json_get(item, "name")), *text = json_text(json_get(item, "value"));
        char whole[ENV_NAME_MOST + ENV_VALUE_MOST + 2];
        if (!name || !text || !*name || strchr(name, '='))
            return wrong("env", "must hold objects of name and value, both strings");
        if (strlen(name) > ENV_NAME_MOST || strlen(text) > ENV_VALUE_MOST || new->env_count == ENV_MOST) {
            snprintf(whole, sizeof whole, "%.40s: a name has at most 64 characters, a value at most 128", name);
            return wrong("env", whole);
        }
        snprintf(whole, sizeof whole, "%s=%s", name, text);
        new->env[new->env_count++] = strdup(whole);
    }
    return true;
}

static bool whole_number(const struct json *value, const char *key, long least, long most, int *out) {
    long number;
    if (!json_integer(value, &number) || number < least || number > most)
        return wrong(key, "is not a whole number in its range");
    *out = (int)number;
    return true;
}

static bool flag(const struct json *object, const char *key, bool as_bool, bool *out) {
    const struct json *value = json_get(object, key);
    long number = 0;
    if (!value)
        return true;
    if (as_bool ? value->kind != JSON_BOOL : !json_integer(value, &number) || number < 0 || number > 1)
        return wrong(key, as_bool ? "must be true or false" : "must be 0 or 1");
    *out = as_bool ? value->number != 0 : number != 0;
    return true;
}

static bool mode(struct service *new, const struct json *value) {
    static const char *const names[] = {"boot", "normal", "condition"};
    const char *text = json_text(value);
    for (int i = 0; text && i < 3; i++)
        if (!strcmp(text, names[i])) {
            new->mode = (enum start_mode)i;
            return true;
        }
    return wrong("start-mode", "must be boot, normal or condition");
}

static bool critical(struct service *new, const struct json *value) {
    int three[3] = {1, CRASHES, CRASH_SECONDS}, at = 0;
    if (value->kind != JSON_ARRAY)
        return whole_number(value, "critical", 0, 1, &new->critical);
    for (const struct json *item = value->first; item; item = item->next)
        if (at == 3 || !whole_number(item, "critical", 0, 3600, &three[at++]))
            return wrong("critical", "must be [on, exits, seconds]");
    new->critical = three[0];
    new->crash_most = three[1];
    new->crash_seconds = three[2];
    return true;
}

static bool cores(struct service *new, const struct json *value) {
    if (value->kind != JSON_ARRAY)
        return wrong("cpucore", "must be an array of numbers");
    for (const struct json *item = value->first; item; item = item->next)
        if (new->core_count == 64 || !whole_number(item, "cpucore", 0, 63, &new->cores[new->core_count++]))
            return wrong("cpucore", "must be an array of numbers");
    return true;
}

/* Keys that the real init knows and this one only accepts. */
static bool key_known(const char *name) {
    static const char *const names[] = {
        "name", "path", "uid", "gid", "env", "secon", "once", "disabled", "start-mode", "cpucore", "importance", "sandbox",
        "console", "critical", "ondemand", "jobs", "caps", "d-caps", "setuid", "end-mode", "socket", "file", "writepid",
        "permission", "permission_acls", "apl", "cgroup", "period", "notify-state", "module-update", "onrestart"};
    for (size_t i = 0; i < COUNT(names); i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

static bool service_fill(struct service *new, const struct json *from) {
    const struct json *item;
    int sandbox;
    new->crash_most = CRASHES;
    new->crash_seconds = CRASH_SECONDS;
    new->mode = AT_NORMAL;
    new->output = -1;
    return path(new, json_get(from, "path"))
        && (!(item = json_get(from, "uid")) || identity(item, "uid", "/etc/passwd", &new->uid))
        && (!(item = json_get(from, "gid")) || groups(new, item))
        && (!(item = json_get(from, "env")) || environment(new, item))
        && (!(item = json_get(from, "secon")) || copied(item, "secon", sizeof new->secon - 1, new->secon))
        && (!(item = json_get(from, "start-mode")) || mode(new, item))
        && (!(item = json_get(from, "cpucore")) || cores(new, item))
        && (!(item = json_get(from, "importance")) || whole_number(item, "importance", -20, 19, &new->importance))
        && (!(item = json_get(from, "sandbox")) || whole_number(item, "sandbox", 0, 1, &sandbox))
        && (!(item = json_get(from, "critical")) || critical(new, item))
        && (!(item = json_get(from, "jobs")) || item->kind == JSON_OBJECT || wrong("jobs", "must be an object"))
        && flag(from, "once", false, &new->once) && flag(from, "disabled", false, &new->disabled)
        && flag(from, "console", false, &new->console) && flag(from, "ondemand", true, &new->ondemand)
        && (!new->ondemand || !new->critical || wrong("ondemand", "cannot be critical"));
}

static void service_read(const char *file, const struct json *from) {
    struct service *new = &services[service_count];
    memset(new, 0, sizeof *new);
    *complaint = 0;
    if (from->kind != JSON_OBJECT || !copied(json_get(from, "name"), "name", NAME_MOST, new->name)) {
        say("init", "%s: a service is dropped: %s", file, *complaint ? complaint : "it is not an object");
        return;
    }
    for (const struct json *item = from->first; item; item = item->next)
        if (!key_known(item->name))
            say("init", "%s: service %s: unknown key %s", file, new->name, item->name);
    if (service_find(new->name))
        wrong("name", "is taken by an earlier service");
    if (*complaint || !service_fill(new, from)) {
        say("init", "%s: service %s is dropped: %s", file, new->name, complaint);
        return;
    }
    service_count++;
}

static struct job *job_find(const char *name) {
    for (int i = 0; i < job_count; i++)
        if (!strcmp(jobs[i].name, name))
            return &jobs[i];
    return NULL;
}

/* The same job in several files: the commands are appended. */
static void job_read(const char *file, const struct json *from) {
    const char *name = json_text(json_get(from, "name"));
    const struct json *cmds = json_get(from, "cmds");
    if (!name || strlen(name) > 64 || !cmds || cmds->kind != JSON_ARRAY) {
        say("init", "%s: a job is dropped: it wants a name and an array of cmds", file);
        return;
    }
    if (json_get(from, "condition"))
        say("init", "%s: job %s: conditions are not for this init; run it by trigger", file, name);
    struct job *job = job_find(name);
    if (!job && job_count < JOBS_MOST) {
        job = &jobs[job_count++];
        snprintf(job->name, sizeof job->name, "%s", name);
    }
    struct cmd **tail = job ? &job->first : NULL;
    while (tail && *tail)
        tail = &(*tail)->next;
    for (const struct json *item = cmds->first; tail && item; item = item->next) {
        if (!json_text(item) || !(*tail = calloc(1, sizeof **tail))) {
            say("init", "%s: job %s: a command must be a string", file, name);
            continue;
        }
        (*tail)->text = strdup(json_text(item));
        tail = &(*tail)->next;
    }
}

void job_run(const char *name) {
    struct job *job = job_find(name);
    for (struct cmd *cmd = job ? job->first : NULL; cmd; cmd = cmd->next)
        cmd_run(cmd->text);
}

static const struct json *section(const char *file, const struct json *top, const char *name) {
    const struct json *list = json_get(top, name);
    if (list && list->kind != JSON_ARRAY) {
        say("init", "%s: %s must be an array, not %s", file, name, json_kind_name(list));
        return NULL;
    }
    return list ? list->first : NULL;
}

void cfg_read(const char *file, int depth) {
    char why[160], whole[1024], next[512];
    snprintf(whole, sizeof whole, "%s%s", board_root, file);
    struct json *top = json_file(whole, why);
    if (!top || top->kind != JSON_OBJECT || depth >= IMPORT_DEPTH) {
        say("init", "%s: %s", file, !top ? why : depth >= IMPORT_DEPTH ? "imported too deeply" : "is not an object");
        json_free(top);
        return;
    }
    for (const struct json *item = top->first; item; item = item->next)
        if (strcmp(item->name, "import") && strcmp(item->name, "jobs") && strcmp(item->name, "services"))
            say("init", "%s: unknown key %s", file, item->name);
    for (const struct json *item = section(file, top, "services"); item; item = item->next) {
        if (service_count == SERVICES_MOST)
            say("init", "%s: more than %d services", file, SERVICES_MOST);
        else
            service_read(file, item);
    }
    for (const struct json *item = section(file, top, "jobs"); item; item = item->next)
        job_read(file, item);
    for (const struct json *item = section(file, top, "import"); item; item = item->next) {
        if (!json_text(item) || !expand(json_text(item), next, sizeof next))
            say("init", "%s: an import names no file: %s", file, json_text(item) ? json_text(item) : "not a string");
        else
            cfg_read(next, depth + 1);
    }
    json_free(top);
}

static int is_cfg(const struct dirent *entry) {
    size_t length = strlen(entry->d_name);
    return length > 4 && !strcmp(entry->d_name + length - 4, ".cfg");
}

void cfg_read_folder(const char *folder) {
    char file[768];
    struct dirent **found;
    snprintf(file, sizeof file, "%s%s", board_root, folder);
    int count = scandir(file, &found, is_cfg, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(file, sizeof file, "%s/%s", folder, found[i]->d_name);
        cfg_read(file, 0);
        free(found[i]);
    }
    if (count >= 0)
        free(found);
}

/* What was understood, for a person and for the tests. */
void cfg_print(void) {
    static const char *const modes[] = {"boot", "normal", "condition"};
    for (int i = 0; i < service_count; i++) {
        const struct service *one = &services[i];
        printf("service %s mode=%s once=%d disabled=%d uid=%u gid=%u nice=%d secon=%s path=", one->name, modes[one->mode],
               one->once, one->disabled, (unsigned)one->uid, one->gid_count ? (unsigned)one->gids[0] : 0, one->importance, one->secon);
        for (int at = 0; one->path[at]; at++)
            printf("%s%s", at ? " " : "", one->path[at]);
        for (int at = 0; at < one->env_count; at++)
            printf(" %s", one->env[at]);
        puts("");
    }
    for (int i = 0; i < job_count; i++)
        for (struct cmd *cmd = jobs[i].first; cmd; cmd = cmd->next)
            printf("job %s: %s\n", jobs[i].name, cmd->text);
}
