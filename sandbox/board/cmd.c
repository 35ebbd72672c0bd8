/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of a job, as far as a board without users and displays needs them; any other is told and passed over. */
#include "board.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MOST = 12 };
typedef bool command(int count, char **word);

static unsigned number(const char *text) {
    return (unsigned)strtoul(text, NULL, 0);
}

/* A name of the board's passwd, or a number. */
static unsigned owner(const char *text, const char *file) {
    char line[512];
    unsigned found = number(text);
    FILE *from = *text >= '0' && *text <= '9' ? NULL : fopen(file, "re");
    while (from && fgets(line, sizeof line, from)) {
        char *rest = line, *name = strsep(&rest, ":");
        strsep(&rest, ":");
        char *id = strsep(&rest, ":\n");
        if (id && !strcmp(name, text))
            found = number(id);
    }
    if (from)
        fclose(from);
    return found;
}

static bool do_mkdir(int count, char **word) {
    unsigned mode = count > 1 ? (unsigned)strtoul(word[1], NULL, 8) : 0755;
    if (mkdir(word[0], mode) && errno != EEXIST)
        return false;
    bool done = !chmod(word[0], mode) || errno == EROFS;
    return done && (count < 4 || !chown(word[0], owner(word[2], "/etc/passwd"), owner(word[3], "/etc/group")));
}

static bool do_chmod(int count, char **word) {
    return count == 2 && !chmod(word[1], (mode_t)strtoul(word[0], NULL, 8));
}

static bool do_chown(int count, char **word) {
    return count == 3 && !chown(word[2], owner(word[0], "/etc/passwd"), owner(word[1], "/etc/group"));
}

static bool do_write(int count, char **word) {
    int to = open(word[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ssize_t length = (ssize_t)strlen(word[count - 1]);
    bool done = to >= 0 && write(to, word[count - 1], (size_t)length) == length;
    if (to >= 0)
        close(to);
    return done;
}

static bool do_symlink(int count, char **word) {
    return count == 2 && (!symlink(word[0], word[1]) || errno == EEXIST);
}

static bool do_mount(int count, char **word) {
    unsigned long flags = 0;
    char data[256] = "";
    for (int i = 3; i < count; i++) {
        if (!strcmp(word[i], "ro")) flags |= MS_RDONLY;
        else if (!strcmp(word[i], "nosuid")) flags |= MS_NOSUID;
        else if (!strcmp(word[i], "nodev")) flags |= MS_NODEV;
        else if (!strcmp(word[i], "noexec")) flags |= MS_NOEXEC;
        else if (!strcmp(word[i], "bind")) flags |= MS_BIND;
        else snprintf(data, sizeof data, "%s", word[i]);
    }
    return !mount(word[1], word[2], word[0], flags, data);
}

static bool do_umount(int count, char **word) {
    return count == 1 && !umount(word[0]);
}

static bool do_rm(int count, char **word) {
    return count == 1 && (!remove(word[0]) || errno == ENOENT);
}

static bool do_copy(int count, char **word) {
    char piece[8192];
    ssize_t got = -1;
    int from = open(word[0], O_RDONLY | O_CLOEXEC);
    int to = from < 0 || count != 2 ? -1 : open(word[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    while (to >= 0 && (got = read(from, piece, sizeof piece)) > 0)
        if (write(to, piece, (size_t)got) != got)
            break;
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return got == 0;
}

static bool do_setparam(int count, char **word) {
    errno = EINVAL;
    return count == 2 && param_set(word[0], word[1]);
}

static bool do_export(int count, char **word) {
    return count == 2 && !setenv(word[0], word[1], 1);
}

static bool do_start(int count, char **word) {
    struct service *service = service_find(word[0]);
    errno = ESRCH;
    if (!service || count != 1)
        return false;
    service_start(service);
    return true;
}

static bool do_stop(int count, char **word) {
    struct service *service = service_find(word[0]);
    errno = ESRCH;
    if (!service || count != 1)
        return false;
    service_stop(service);
    return true;
}

static bool do_trigger(int count, char **word) {
    static int depth;
    if (count != 1 || depth > 8)
        return false;
    depth++;
    job_run(word[0]);
    depth--;
    return true;
}

static bool do_fstab(int count, char **word) {
    int failed = count >= 1 ? fstab_mount(word[0]) : -1;
    if (failed > 0)
        power_off("panic: a required partition cannot be mounted");
    return failed == 0;
}

static bool do_syncexec(int count, char **word) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        word[count] = NULL;
        execv(word[0], word);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool do_sleep(int count, char **word) {
    unsigned seconds = number(word[0]);
    return count == 1 && sleep(seconds > 10 ? 10 : seconds) == 0;
}

/* Known to the real init and without meaning here: SELinux labels, swap, tokens. */
static bool do_nothing(int count, char **word) {
    (void)count, (void)word;
    return true;
}

static const struct { const char *name; int least, most; command *run; } commands[] = {
    {"mkdir", 1, 4, do_mkdir}, {"chmod", 2, 2, do_chmod}, {"chown", 3, 3, do_chown}, {"write", 2, 2, do_write},
    {"symlink", 2, 2, do_symlink}, {"mount", 3, 10, do_mount}, {"umount", 1, 1, do_umount}, {"rm", 1, 1, do_rm},
    {"copy", 2, 2, do_copy}, {"setparam", 2, 2, do_setparam}, {"export", 2, 2, do_export}, {"start", 1, 1, do_start},
    {"stop", 1, 1, do_stop}, {"trigger", 1, 1, do_trigger}, {"mount_fstab", 1, 2, do_fstab}, {"mount_fstab_sp", 1, 2, do_fstab},
    {"exec", 1, 10, do_syncexec}, {"syncexec", 1, 10, do_syncexec}, {"sleep", 1, 1, do_sleep},
    {"restorecon", 0, 10, do_nothing}, {"load_param", 0, 10, do_nothing}, {"load_persist_params", 0, 10, do_nothing},
};

/* The words of a command, ${} expanded; the last one allowed takes the rest of the line. -1: a parameter is not set. */
static int words(char *text, int most, char **word, char store[][512]) {
    int count = 0;
    while (count < most) {
        text += strspn(text, " \t");
        if (!*text)
            break;
        char *piece = count == most - 1 ? text : strsep(&text, " \t");
        if (!expand(piece, store[count], 512))
            return -1;
        word[count] = store[count];
        count++;
        if (!text || piece == text)
            break;
    }
    return count;
}

void cmd_run(const char *text) {
    char copy[1024], store[WORDS_MOST][512], *word[WORDS_MOST + 1], *rest = copy;
    snprintf(copy, sizeof copy, "%s", text + strspn(text, " \t"));
    char *name = strsep(&rest, " \t");
    size_t at = 0;
    while (at < COUNT(commands) && strcmp(commands[at].name, name))
        at++;
    if (at == COUNT(commands)) {
        say("init", "unknown command, passed over: %s", text);
        return;
    }
    char none[] = "";
    int count = words(rest ? rest : none, commands[at].most, word, store);
    if (count < commands[at].least)
        say("init", "command %s: %s", text, count < 0 ? "a parameter is not set" : "too few words");
    else if (errno = 0, !commands[at].run(count, word))
        say("init", "command %s: %s", text, errno ? strerror(errno) : "failed");
}
