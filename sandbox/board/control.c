/* SPDX-License-Identifier: Apache-2.0 */
/* The control port: one request a connection, a JSON array of words on one line; README.md has the list. */
#include "board.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REQUEST_MOST = 65536, REPLY_MOST = 1 << 20, RUN_SECONDS = 120, WORDS_MOST = 64 };

static char reply[REPLY_MOST];
static size_t reply_used;

static void add(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(reply + reply_used, REPLY_MOST - reply_used, format, arguments);
    va_end(arguments);
    if (more > 0 && reply_used + (size_t)more < REPLY_MOST)
        reply_used += (size_t)more;
}

static void put(int client, const char *bytes, size_t length) {
    while (length) {
        ssize_t sent = send(client, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void answer(int client, int code) {
    char head[64];
    put(client, head, (size_t)snprintf(head, sizeof head, "ok %d %zu\n", code, reply_used));
    put(client, reply, reply_used);
}

static void refuse(int client, const char *what) {
    char line[256];
    put(client, line, (size_t)snprintf(line, sizeof line, "error %s\n", what));
}

static void fill_from(int from) {
    ssize_t got;
    while (reply_used < REPLY_MOST && (got = read(from, reply + reply_used, REPLY_MOST - reply_used)) > 0)
        reply_used += (size_t)got;
}

/* The memory that the process holds and held at most, as the kernel counts it. */
static void add_memory(pid_t pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "VmHWM:", 6) || !strncmp(line, "VmRSS:", 6) || !strncmp(line, "Uid:", 4) || !strncmp(line, "Gid:", 4))
            add("%s", line);
    if (file)
        fclose(file);
}

static void do_status(int client, char **word) {
    struct service *service = word[0] ? service_find(word[0]) : NULL;
    if (!service) {
        refuse(client, "no such service");
        return;
    }
    add("state: %s\npid: %d\nexits: %d\nlast: %s\nbegan: %.3f\nsecon: %s\n", service_state(service), (int)service->pid,
        service->exits, service->last, service->began, service->secon);
    if (service->pid > 0)
        add_memory(service->pid);
    answer(client, 0);
}

static void do_services(int client, char **word) {
    (void)word;
    for (int i = 0; i < service_count; i++)
        add("%s %s\n", services[i].name, service_state(&services[i]));
    answer(client, 0);
}

static void do_uptime(int client, char **word) {
    (void)word;
    add("%.3f\n", now());
    answer(client, 0);
}

static void do_cat(int client, char **word) {
    int from = word[0] ? open(word[0], O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    if (from < 0) {
        refuse(client, strerror(word[0] ? errno : EINVAL));
        return;
    }
    fill_from(from);
    answer(client, 0);
}

static void do_ls(int client, char **word) {
    struct dirent **found;
    struct stat is;
    char path[1024];
    int count = word[0] ? scandir(word[0], &found, NULL, alphasort) : -1;
    if (count < 0) {
        refuse(client, strerror(word[0] ? errno : EINVAL));
        return;
    }
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", word[0], found[i]->d_name);
        if (strcmp(found[i]->d_name, ".") && strcmp(found[i]->d_name, "..") && !lstat(path, &is))
            add("%06o %u %u %lld %s\n", is.st_mode, (unsigned)is.st_uid, (unsigned)is.st_gid, (long long)is.st_size, found[i]->d_name);
    }
    answer(client, 0);
}

static void do_run(int client, char **word) {
    int output[2], status = 0;
    if (!word[0] || pipe(output)) {
        refuse(client, "run what?");
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        alarm(RUN_SECONDS);
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(output[1], 1);
        dup2(output[1], 2);
        close(output[0]);
        close(output[1]);
        execv(word[0], word);
        dprintf(2, "%s: %s\n", word[0], strerror(errno));
        _exit(127);
    }
    close(output[1]);
    fill_from(output[0]);
    close(output[0]);                       /* beyond the limit: the program gets SIGPIPE */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    answer(client, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static const struct { const char *name; void (*run)(int client, char **word); } requests[] = {
    {"status", do_status}, {"services", do_services}, {"uptime", do_uptime}, {"cat", do_cat}, {"ls", do_ls}, {"run", do_run}};

/* What changes PID 1 goes to it as one line: "poweroff", "start NAME", "stop NAME". */
static bool order(int client, int orders, const char *name, const char *what) {
    char line[128];
    if (strcmp(name, "poweroff") && strcmp(name, "start") && strcmp(name, "stop"))
        return false;
    if (strcmp(name, "poweroff") && (!what || !service_find(what))) {
        refuse(client, "no such service");
        return true;
    }
    int length = snprintf(line, sizeof line, "%s %.64s\n", name, what ? what : "");
    answer(client, 0);
    if (write(orders, line, (size_t)length) < 0)
        say("control", "%s", strerror(errno));
    return true;
}

static struct json *request(int client, char *why) {
    static char line[REQUEST_MOST];
    size_t used = 0;
    ssize_t got;
    while (used < sizeof line && (got = recv(client, line + used, sizeof line - used, 0)) > 0) {
        used += (size_t)got;
        if (memchr(line + used - got, '\n', (size_t)got))
            break;
    }
    return json_parse(line, used, why);
}

static void handle(int client, int orders) {
    char why[160], *word[WORDS_MOST + 1];
    struct json *asked = request(client, why);
    int count = 0;
    for (struct json *item = asked && asked->kind == JSON_ARRAY ? asked->first : NULL; item && count < WORDS_MOST; item = item->next)
        word[count++] = item->kind == JSON_STRING ? item->text : "";
    word[count] = NULL;
    if (!count) {
        refuse(client, asked ? "a request is an array of strings" : why);
        return;
    }
    for (size_t i = 0; i < COUNT(requests); i++)
        if (!strcmp(requests[i].name, word[0])) {
            requests[i].run(client, word + 1);
            return;
        }
    if (!order(client, orders, word[0], word[1]))
        refuse(client, "unknown request; known: status services uptime cat ls run start stop poweroff");
}

/* Each connection has a process of its own, with the tables of PID 1 as they were: a slow client holds nobody up. */
void control_serve(int listener, int orders) {
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client >= 0 && fork() == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        struct timeval limit = {10, 0};
        setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        handle(client, orders);
        shutdown(client, SHUT_RDWR);
        _exit(0);
    }
    if (client >= 0)
        close(client);
}
