/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the virtual board's init share. A stand-in: see README.md. */
#ifndef KILN_BOARD_H
#define KILN_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "json.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Limits of the real init (startup_init, facts 5.1); a service beyond one of them is dropped there too. */
enum {
    NAME_MOST = 32, ARGS_MOST = 19, ARG_MOST = 200, ENV_NAME_MOST = 64, ENV_VALUE_MOST = 128, SERVICES_MOST = 100,
    GIDS_MOST = 32, ENV_MOST = 64, IMPORT_DEPTH = 100, CRASHES = 4, CRASH_SECONDS = 20,
};

/* console.c: one line a call, with the seconds since power-on; control characters never reach the terminal. */
extern const char *board_root;              /* "" on the board; a folder when a cfg is only checked */
double now(void);
void say(const char *who, const char *format, ...) __attribute__((format(printf, 2, 3)));
void clean(char *text, size_t length);

/* params.c: the system parameters, and ${name} in a text. */
bool param_set(const char *name, const char *value);
const char *param_get(const char *name);
bool expand(const char *text, char *out, size_t room);
void params_from_kernel(void);
long kernel_number(const char *name, long otherwise);

/* disk.c: modules, names of partitions, fstab. */
void modules_load(const char *folder);
void partitions_name(void);
bool root_mount(const char *into);
int fstab_mount(const char *file);
void disks_release(void);
void folders(const char *path);             /* mkdir -p */

/* service.c */
enum start_mode { AT_BOOT, AT_NORMAL, AT_CONDITION };

struct service {
    char name[NAME_MOST + 1], secon[128];
    char *path[ARGS_MOST + 1], *env[ENV_MOST + 1];
    uid_t uid;
    gid_t gids[GIDS_MOST];
    int gid_count, env_count, importance, core_count, cores[64];
    int critical, crash_most, crash_seconds;
    bool once, disabled, console, ondemand;
    enum start_mode mode;
    /* while it lives */
    pid_t pid;
    int output, exits, crashes;
    double began, first_crash, restart_at;
    bool stopping, unstarted;
    char last[160], line[512];
    size_t line_used;
};

extern struct service services[SERVICES_MOST];
extern int service_count;
struct service *service_find(const char *name);
void service_start(struct service *service);
void service_stop(struct service *service);
void services_start(enum start_mode mode);
bool service_reap(pid_t pid, int status);
void service_output(struct service *service);
double services_due(void);                  /* seconds to the next delayed restart, or -1 */
void services_stop_all(void);
const char *service_state(const struct service *service);

/* cfg.c: the OpenHarmony .cfg files. */
void cfg_read(const char *file, int depth);
void cfg_read_folder(const char *folder);
void job_run(const char *name);
void cmd_run(const char *text);
void cfg_print(void);

/* net.c, control.c: the sandbox's own. */
void network_up(void);
pid_t relay_start(int port);
int local_connect(int port);                /* to 127.0.0.1 of the board */
void carry(int left, int right);            /* between two connections, both ways, until both are closed */
int control_listen(int port);
void control_serve(int listener, int orders);

/* init.c */
_Noreturn void power_off(const char *why);
_Noreturn void restart(const char *why);

#endif
