/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for OpenHarmony's init on the virtual board: from power-on to services, and off again.
 *
 * `init --parse ROOT FILE...` reads cfg files as the board would, prints what it understood and mounts nothing. */
#include "board.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const ROOT = "/root";

static _Noreturn void leave(int how, const char *what, const char *why) {
    say("init", "%s: %s", what, why);
    services_stop_all();
    sync();
    disks_release();
    say("init", "power down");
    reboot(how);
    for (;;)
        pause();
}

_Noreturn void power_off(const char *why) {
    leave(RB_POWER_OFF, "powering off", why);
}

_Noreturn void restart(const char *why) {
    leave(RB_AUTOBOOT, "restarting", why);
}

static void mounts_first(void) {
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2,gid=3009");
    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
}

static void console_open(void) {
    int to = open("/dev/console", O_RDWR | O_NOCTTY);
    for (int i = 0; to >= 0 && i < 3; i++)
        dup2(to, i);
    if (to > 2)
        close(to);
}

/* The system partition becomes /, and what the first stage mounted goes along. */
static bool root_switch(void) {
    static const char *const along[] = {"/proc", "/sys", "/dev"};
    char target[64];
    for (size_t i = 0; i < COUNT(along); i++) {
        snprintf(target, sizeof target, "%s%s", ROOT, along[i]);
        if (mount(along[i], target, NULL, MS_MOVE, NULL)) {
            say("init", "the system partition has no %s to mount on: %s", along[i], strerror(errno));
            return false;
        }
    }
    if (chdir(ROOT) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
        return false;
    if (mount("tmpfs", "/mnt", "tmpfs", MS_NOSUID, "mode=0755"))
        say("init", "/mnt: %s", strerror(errno));
    return true;
}

/* What the ramdisk's fstab.required says on a real board: without vendor there is nothing to start. */
static bool vendor_mount(void) {
    if (!mount("/dev/block/by-name/vendor", "/vendor", "ext4", MS_RDONLY, "barrier=1"))
        return true;
    say("init", "cannot mount partition vendor: %s", strerror(errno));
    return false;
}

static void configure(void) {
    cfg_read("/etc/init.cfg", 0);
    static const char *const folders[] = {"/system/etc/init", "/vendor/etc/init", "/sys_prod/etc/init", "/chip_prod/etc/init"};
    for (size_t i = 0; i < COUNT(folders); i++)
        cfg_read_folder(folders[i]);
    say("init", "%d services are configured", service_count);
    const char *wanted = param_get("kiln.service");
    if (wanted && !service_find(wanted))
        say("init", "no service %s is configured: is its cfg imported, and JSON?", wanted);
}

static void jobs_run(void) {
    static const char *const late[] = {"post-init", "early-fs", "fs", "post-fs", "late-fs", "post-fs-data",
                                       "firmware_mounts_complete", "early-boot", "boot"};
    job_run("pre-init");
    job_run("init");
    services_start(AT_BOOT);
    for (size_t i = 0; i < COUNT(late); i++)
        job_run(late[i]);
    services_start(AT_NORMAL);
}

static void reap(pid_t relay) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (!service_reap(pid, status) && pid == relay)
            say("init", "the relay has ended");
}

static void obey(int orders) {
    char line[256], *rest = line;
    ssize_t got = read(orders, line, sizeof line - 1);
    line[got > 0 ? got : 0] = 0;
    for (char *one; (one = strsep(&rest, "\n")) && *one;) {
        char *verb = strsep(&one, " ");
        struct service *service = one ? service_find(one) : NULL;
        if (!strcmp(verb, "poweroff"))
            power_off("asked by the control port");
        if (!strcmp(verb, "reboot"))
            restart("asked by the control port");
        if (service && !strcmp(verb, "start"))
            service_start(service);
        if (service && !strcmp(verb, "stop"))
            service_stop(service);
    }
}

static _Noreturn void serve(int children, int control, int orders[2], pid_t relay) {
    for (;;) {
        struct pollfd watch[SERVICES_MOST + 3] = {{children, POLLIN, 0}, {control, POLLIN, 0}, {orders[0], POLLIN, 0}};
        double due = services_due();
        for (int i = 0; i < service_count; i++)
            watch[i + 3] = (struct pollfd){services[i].output, POLLIN, 0};
        if (poll(watch, (nfds_t)service_count + 3, due < 0 ? -1 : (int)(due * 1000) + 1) < 0)
            continue;
        for (int i = 0; i < service_count; i++)
            if (watch[i + 3].revents && watch[i + 3].fd == services[i].output)
                service_output(&services[i]);
        if (watch[0].revents) {
            struct signalfd_siginfo what[8];
            if (read(children, what, sizeof what) > 0)
                reap(relay);
        }
        if (watch[1].revents)
            control_serve(control, orders[1]);
        if (watch[2].revents)
            obey(orders[0]);
    }
}

static int parse(int count, char **word) {
    board_root = word[0];
    param_set("ohos.boot.hardware", "virt");
    for (int i = 1; i < count; i++)
        cfg_read(word[i], 0);
    cfg_print();
    return 0;
}

int main(int count, char **word) {
    if (count > 3 && !strcmp(word[1], "--parse"))
        return parse(count - 2, word + 2);
    if (getpid() != 1) {
        fprintf(stderr, "init of Kiln's virtual board: it runs as process 1, or as: init --parse ROOT FILE...\n");
        return 2;
    }
    mounts_first();
    console_open();
    umask(022);
    params_from_kernel();
    setenv("PATH", "/system/bin:/vendor/bin", 1);
    say("init", "a stand-in for OpenHarmony's init, by Kiln");
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    modules_load("/modules");
    partitions_name();
    if (!root_mount(ROOT) || !root_switch() || !vendor_mount())
        power_off("panic: no root");
    network_up();
    int port = (int)kernel_number("kiln.relay", 0), orders[2];
    int control = control_listen((int)kernel_number("kiln.control", 0));
    pid_t relay = port ? relay_start(port) : -1;
    if (pipe2(orders, O_CLOEXEC))
        power_off("panic: no pipe");
    say("init", "the network is up");
    configure();
    jobs_run();
    serve(signalfd(-1, &children, SFD_CLOEXEC), control, orders, relay);
}
