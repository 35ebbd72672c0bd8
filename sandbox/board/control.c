/* SPDX-License-Identifier: Apache-2.0 */
/* The control port: one request a connection, a JSON array of words on one line; README.md has the list. */
#include "board.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

enum { REQUEST_MOST = 65536, REPLY_MOST = 1 << 20, RUN_MOST = 86400, WORDS_MOST = 256, ENDED_MS = 20 };
static const long long FILE_MOST = 1LL << 32;

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

/* NAME=VALUE words come before the program, as with env. */
static _Noreturn void become(char **word, int output) {
    setsid();
    dup2(open("/dev/null", O_RDONLY), 0);
    dup2(output, 1);
    dup2(output, 2);
    while (word[1] && strchr(word[0], '='))
        putenv(*word++);
    execvp(word[0], word);
    dprintf(2, "%s: %s\n", word[0], strerror(errno));
    _exit(127);
}

/* Its output until it has ended or the time is over: then false. What it left running in the background goes on. */
static bool attend(pid_t pid, int output, double until, int *status) {
    for (bool open = true;;) {
        struct pollfd watch = {open ? output : -1, POLLIN, 0};
        poll(&watch, 1, ENDED_MS);
        bool ended = waitpid(pid, status, WNOHANG) == pid;
        ssize_t got = -1;
        while (open && reply_used < REPLY_MOST && (got = read(output, reply + reply_used, REPLY_MOST - reply_used)) > 0)
            reply_used += (size_t)got;
        if (open && (got == 0 || reply_used == REPLY_MOST)) {       /* beyond the limit: the program gets SIGPIPE */
            close(output);
            open = false;
        }
        if (ended || now() > until)
            return ended;
    }
}

static void do_run(int client, char **word) {
    char *end = "", line[200];
    int output[2], status = 0;
    long seconds = word[0] ? strtol(word[0], &end, 10) : 0;
    if (*end || seconds < 1 || seconds > RUN_MOST || !word[1] || pipe2(output, O_CLOEXEC)) {
        refuse(client, "run what? it wants SECONDS, a program and its arguments");
        return;
    }
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    pid_t pid = fork();
    if (pid == 0)
        become(word + 1, output[1]);
    close(output[1]);
    if (attend(pid, output[0], now() + (double)seconds, &status)) {
        answer(client, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        return;
    }
    kill(-pid, SIGKILL);
    snprintf(line, sizeof line, "%.120s did not end within %ld s", word[1], seconds);
    refuse(client, line);
}

static void ready(int client) {
    put(client, "ready\n", 6);
}

/* So many bytes from the client into a file: 0 or an errno. After an error the rest is read and dropped, so that the client hears of it. */
static int receive(int client, int to, long long size) {
    static char piece[1 << 17];
    int error = 0;
    while (size > 0) {
        ssize_t got = recv(client, piece, size < (long long)sizeof piece ? (size_t)size : sizeof piece, 0);
        if (got <= 0)
            return got ? errno : ECONNRESET;
        ssize_t put = error ? got : write(to, piece, (size_t)got);
        if (put != got)
            error = put < 0 ? errno : ENOSPC;
        size -= got;
    }
    return error;
}

/* DEST MODE SIZE, then `ready`, then the bytes: a file appears whole or not at all. */
static void do_send(int client, char **word) {
    char part[1024], *end = "", *slash = word[0] ? strrchr(word[0], '/') : NULL;
    long long size = slash && word[1] && word[2] ? strtoll(word[2], &end, 10) : -1;
    mode_t mode = size < 0 ? 0 : (mode_t)strtoul(word[1], NULL, 8) & 07777;
    if (*end || size < 0 || size > FILE_MOST || *word[0] != '/' || !slash[1] || strlen(word[0]) > 1000) {
        refuse(client, "send wants an absolute path, a mode and a size");
        return;
    }
    snprintf(part, sizeof part, "%.*s", (int)(slash - word[0]), word[0]);
    if (*part)
        folders(part);
    snprintf(part, sizeof part, "%s.part", word[0]);
    int to = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0) {
        refuse(client, strerror(errno));
        return;
    }
    ready(client);
    int error = receive(client, to, size);
    if (fchmod(to, mode) || close(to))
        error = error ? error : errno;
    if (!error && !rename(part, word[0])) {
        answer(client, 0);
        return;
    }
    error = error ? error : errno;
    unlink(part);
    refuse(client, strerror(error));
}

/* PORT, then `ready`, then the connection is one to 127.0.0.1:PORT of the board. */
static void do_connect(int client, char **word) {
    int service = word[0] ? local_connect(atoi(word[0])) : -1;
    if (service < 0) {
        refuse(client, word[0] ? strerror(errno) : "connect to which port?");
        return;
    }
    ready(client);
    carry(client, service);
}

static const struct { const char *name; void (*run)(int client, char **word); } requests[] = {
    {"status", do_status}, {"services", do_services}, {"uptime", do_uptime}, {"cat", do_cat}, {"ls", do_ls}, {"run", do_run},
    {"send", do_send}, {"connect", do_connect}};

/* What changes PID 1 goes to it as one line: "poweroff", "reboot", "start NAME", "stop NAME". */
static bool order(int client, int orders, const char *name, const char *what) {
    char line[128];
    bool power = !strcmp(name, "poweroff") || !strcmp(name, "reboot");
    if (!power && strcmp(name, "start") && strcmp(name, "stop"))
        return false;
    if (!power && (!what || !service_find(what))) {
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
        refuse(client, "unknown request; known: status services uptime cat ls run send connect start stop reboot poweroff");
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
