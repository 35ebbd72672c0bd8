/* SPDX-License-Identifier: Apache-2.0 */
/* Services: start, watch, restart and stop, with the restart policy of the real init. */
#include "board.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

struct service services[SERVICES_MOST];
int service_count;

struct service *service_find(const char *name) {
    for (int i = 0; i < service_count; i++)
        if (!strcmp(services[i].name, name))
            return &services[i];
    return NULL;
}

const char *service_state(const struct service *service) {
    if (service->pid > 0)
        return service->stopping ? "stopping" : "running";
    return service->restart_at > 0 ? "restarting" : service->exits || *service->last ? "stopped" : "created";
}

/* The loader that a program asks for: a file that is there and yet "not found" lacks this one. */
static bool loader(const char *file, char *out, size_t room) {
    Elf64_Ehdr head;
    Elf64_Phdr part;
    bool found = false;
    int from = open(file, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return false;
    if (read(from, &head, sizeof head) == sizeof head && !memcmp(head.e_ident, ELFMAG, SELFMAG) && head.e_ident[EI_CLASS] == ELFCLASS64)
        for (int i = 0; !found && i < head.e_phnum && i < 64; i++)
            if (pread(from, &part, sizeof part, (off_t)(head.e_phoff + (unsigned)i * sizeof part)) == sizeof part && part.p_type == PT_INTERP) {
                ssize_t got = pread(from, out, room - 1, (off_t)part.p_offset);
                out[got > 0 ? got : 0] = 0;
                found = got > 0;
            }
    close(from);
    return found;
}

/* In an image whose files have SELinux labels one without is denied on a board: here labels are the only thing asked of. */
static bool unlabeled(const char *file) {
    char folder[ARG_MOST + 1], label[256];
    snprintf(folder, sizeof folder, "%s", file);
    *strrchr(folder, '/') = 0;
    return lgetxattr(*folder ? folder : "/", "security.selinux", label, sizeof label) > 0
        && lgetxattr(file, "security.selinux", label, sizeof label) <= 0 && errno == ENODATA;
}

static void exec_failed(struct service *service, int code) {
    char wanted[128];
    if (code == ENOENT && !access(service->path[0], F_OK) && loader(service->path[0], wanted, sizeof wanted))
        snprintf(service->last, sizeof service->last, "%s needs the loader %s, which is not there", service->path[0], wanted);
    else if (code == ENODATA)
        snprintf(service->last, sizeof service->last, "%.80s has no SELinux label: an enforcing board denies it", service->path[0]);
    else
        snprintf(service->last, sizeof service->last, "cannot execute %s: %s", service->path[0], strerror(code));
    say("init", "service %s: %s", service->name, service->last);
}

static void pin(const struct service *service) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < service->core_count; i++)
        CPU_SET((size_t)service->cores[i], &set);
    if (service->core_count && sched_setaffinity(0, sizeof set, &set))
        say("init", "service %s: cpucore: %s", service->name, strerror(errno));
}

/* A processor that is played by a part of one stops for its neighbors: threads that wait for each other then wait long. */
static void fewer_threads(const struct service *service) {
    static const char name[] = "LLAMA_ARG_THREADS=";
    const char *mine = param_get("kiln.service");
    long most = kernel_number("kiln.threads", 0);
    for (int i = 0; i < service->env_count; i++) {
        char *value = service->env[i] + sizeof name - 1;
        if (most < 1 || !mine || strcmp(mine, service->name) || strncmp(service->env[i], name, sizeof name - 1) || atol(value) <= most)
            continue;
        say("init", "service %s: %ld of its %s threads, as the machine that plays this board has few processors", service->name, most, value);
        snprintf(value, strlen(value) + 1, "%ld", most);
    }
}

/* In the child: what the cfg says, then the program; the parent reads the errno of a failure from `report`. */
static _Noreturn void become(const struct service *service, int output, int report) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    int in = open(service->console ? "/dev/console" : "/dev/null", O_RDWR);
    dup2(in, 0);
    dup2(service->console ? in : output, 1);
    dup2(service->console ? in : output, 2);
    for (int i = 0; i < service->env_count; i++)
        putenv(service->env[i]);
    pin(service);
    if (service->importance)
        setpriority(PRIO_PROCESS, 0, service->importance);
    gid_t group = service->gid_count ? service->gids[0] : 0;
    if (unlabeled(service->path[0]))
        errno = ENODATA;
    else if (!setgroups((size_t)service->gid_count, service->gids) && !setgid(group) && !setuid(service->uid) && !chdir("/"))
        execv(service->path[0], service->path);
    int code = errno;
    if (write(report, &code, sizeof code) < 0)
        _exit(126);
    _exit(127);
}

void service_start(struct service *service) {
    int output[2], report[2], code = 0;
    service->restart_at = 0;
    service->stopping = false;
    if (service->pid > 0)
        return;
    if (pipe2(output, O_CLOEXEC) || pipe2(report, O_CLOEXEC)) {
        say("init", "service %s: %s", service->name, strerror(errno));
        return;
    }
    fewer_threads(service);
    pid_t pid = fork();
    if (pid == 0)
        become(service, output[1], report[1]);
    close(output[1]);
    close(report[1]);
    if (pid > 0 && read(report[0], &code, sizeof code) != sizeof code)
        code = 0;
    close(report[0]);
    if (service->output >= 0)
        close(service->output);
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    service->output = output[0];
    service->pid = pid;
    service->began = now();
    service->unstarted = code != 0;
    if (code)
        exec_failed(service, code);
    else
        say("init", "service %s is started, pid %d%s%s", service->name, (int)pid, *service->secon ? ", secon not enforced: " : "", service->secon);
}

void services_start(enum start_mode mode) {
    for (int i = 0; i < service_count; i++)
        if (services[i].mode == mode && !services[i].disabled && !services[i].ondemand)
            service_start(&services[i]);
}

void service_stop(struct service *service) {
    service->stopping = true;
    service->restart_at = 0;
    if (service->pid > 0)
        kill(service->pid, SIGTERM);
}

/* What the service printed, a line at a time, with its name before it. */
void service_output(struct service *service) {
    char piece[2048];
    ssize_t got;
    for (int round = 0; round < 16 && (got = read(service->output, piece, sizeof piece)) > 0; round++)
        for (ssize_t i = 0; i < got; i++) {
            if (piece[i] != '\n' && service->line_used < sizeof service->line - 1)
                service->line[service->line_used++] = piece[i];
            if (piece[i] != '\n' && service->line_used < sizeof service->line - 1)
                continue;
            service->line[service->line_used] = 0;
            if (service->line_used)
                say(service->name, "%s", service->line);
            service->line_used = 0;
        }
    if (got == 0) {
        close(service->output);
        service->output = -1;
    }
}

static void drained(struct service *service) {
    if (service->output >= 0)
        service_output(service);
    if (service->line_used) {
        service->line[service->line_used] = 0;
        say(service->name, "%s", service->line);
        service->line_used = 0;
    }
}

static void told(struct service *service, int status) {
    if (WIFSIGNALED(status))
        snprintf(service->last, sizeof service->last, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (!service->unstarted)
        snprintf(service->last, sizeof service->last, "exited with code %d", WEXITSTATUS(status));
    if (!service->unstarted)
        say("init", "service %s (pid %d) %s after %.1f s", service->name, (int)service->pid, service->last, now() - service->began);
}

/* Four exits in twenty seconds: the next start waits twenty seconds, or the board panics for a critical one. */
static void again(struct service *service) {
    double time = now();
    if (service->crashes == 0 || time - service->first_crash > service->crash_seconds) {
        service->crashes = 0;
        service->first_crash = time;
    }
    service->restart_at = time;
    if (++service->crashes < service->crash_most)
        return;
    if (service->critical)
        power_off("panic: a critical service does not stay up");
    service->crashes = 0;
    service->restart_at = time + service->crash_seconds;
    say("init", "service %s: %d exits in %d s, the next start in %d s", service->name, service->crash_most,
        service->crash_seconds, service->crash_seconds);
}

bool service_reap(pid_t pid, int status) {
    for (int i = 0; i < service_count; i++) {
        struct service *service = &services[i];
        if (service->pid != pid)
            continue;
        drained(service);
        told(service, status);
        service->pid = 0;
        service->exits++;
        if (!service->once && !service->stopping)
            again(service);
        return true;
    }
    return false;
}

double services_due(void) {
    double next = -1;
    for (int i = 0; i < service_count; i++) {
        struct service *service = &services[i];
        if (service->restart_at <= 0)
            continue;
        double wait = service->restart_at - now();
        if (wait <= 0)
            service_start(service);
        else if (next < 0 || wait < next)
            next = wait;
    }
    return next;
}

void services_stop_all(void) {
    for (int i = 0; i < service_count; i++)
        service_stop(&services[i]);
    for (int waited = 0, alive = 1; alive && waited < 2000; waited += 10) {
        int status;
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
            service_reap(pid, status);
        alive = 0;
        for (int i = 0; i < service_count; i++)
            alive += services[i].pid > 0;
        if (alive)
            nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    kill(-1, SIGKILL);
}
