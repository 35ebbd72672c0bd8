/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel modules, partitions by name, and the fstab that the real init reads. */
#include "board.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 5000 };

static bool module_load(const char *file) {
    int from = open(file, O_RDONLY | O_CLOEXEC);
    bool done = from >= 0 && (syscall(SYS_finit_module, from, "", 0) == 0 || errno == EEXIST);
    if (!done)
        say("init", "%s: %s", file, strerror(errno));
    if (from >= 0)
        close(from);
    return done;
}

void modules_load(const char *folder) {
    char path[512], name[128];
    snprintf(path, sizeof path, "%s/order", folder);
    FILE *order = fopen(path, "re");
    while (order && fgets(name, sizeof name, order)) {
        name[strcspn(name, "\n")] = 0;
        snprintf(path, sizeof path, "%s/%s", folder, name);
        module_load(path);
    }
    if (order)
        fclose(order);
}

static bool block_fact(const char *device, const char *wanted, char *out, size_t room) {
    char path[320], line[256];
    snprintf(path, sizeof path, "/sys/class/block/%s/uevent", device);
    FILE *file = fopen(path, "re");
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, wanted, strlen(wanted)) && line[strlen(wanted)] == '=') {
            snprintf(out, room, "%s", line + strlen(wanted) + 1);
            found = *out && !strchr(out, '/') && strcmp(out, ".") && strcmp(out, "..");
        }
    }
    if (file)
        fclose(file);
    return found;
}

void folders(const char *path) {
    char part[512];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(part, 0755);
        *slash = '/';
    }
    mkdir(part, 0755);
}

/* As ueventd does: /dev/block/platform/<controller>/by-name/<PARTNAME>, and /dev/block/by-name/<PARTNAME>. */
static void partition_name(const char *device) {
    char name[128], link[512], target[512], sys[320], at[320];
    if (!block_fact(device, "PARTNAME", name, sizeof name))
        return;
    snprintf(target, sizeof target, "/dev/%s", device);
    snprintf(link, sizeof link, "/dev/block/by-name/%s", name);
    if (symlink(target, link) && errno == EEXIST)
        say("init", "two partitions are named %s; the first is used", name);
    snprintf(sys, sizeof sys, "/sys/class/block/%s", device);
    ssize_t length = readlink(sys, at, sizeof at - 1);
    at[length > 0 ? length : 0] = 0;
    char *platform = strstr(at, "/platform/");
    if (!platform)
        return;
    platform += strlen("/platform/");
    platform[strcspn(platform, "/")] = 0;
    snprintf(link, sizeof link, "/dev/block/platform/%s/by-name", platform);
    folders(link);
    snprintf(link, sizeof link, "/dev/block/platform/%s/by-name/%s", platform, name);
    symlink(target, link);
}

void partitions_name(void) {
    folders("/dev/block/by-name");
    struct dirent **found;
    int count = scandir("/sys/class/block", &found, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        partition_name(found[i]->d_name);
        free(found[i]);
    }
    if (count >= 0)
        free(found);
}

/* A fstab names the controller of its board, which this one has not: /dev/block/platform/fe310000.sdhci/by-name is ours, too. */
static void controller_stand_in(const char *device) {
    static const char platform[] = "/dev/block/platform/";
    char folder[512], link[512];
    const char *end = strstr(device, "/by-name/");
    if (strncmp(device, platform, sizeof platform - 1) || !end || (size_t)(end - device) >= sizeof folder - 16)
        return;
    snprintf(folder, sizeof folder, "%.*s", (int)(end - device), device);
    if (!access(folder, F_OK))
        return;
    folders(folder);
    snprintf(link, sizeof link, "%.480s/by-name", folder);
    if (!symlink("/dev/block/by-name", link))
        say("init", "the disk of this board stands in for %s", folder + sizeof platform - 1);
}

static bool device_wait(const char *device) {
    struct stat is;
    controller_stand_in(device);
    for (int waited = 0; stat(device, &is); waited += 10) {
        if (waited >= WAIT_MS)
            return false;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    return true;
}

bool root_mount(const char *into) {
    const char *device = "/dev/block/by-name/system";
    if (access(device, F_OK)) {
        say("init", "the disk has no partition named system");
        return false;
    }
    mkdir(into, 0755);
    if (mount(device, into, "ext4", MS_RDONLY, "barrier=1")) {
        say("init", "cannot mount partition system: %s", strerror(errno));
        return false;
    }
    return true;
}

static unsigned long mount_flags(char *options, char *data, size_t room) {
    static const struct { const char *name; unsigned long flag; } known[] = {
        {"ro", MS_RDONLY}, {"rw", 0}, {"defaults", 0}, {"nosuid", MS_NOSUID}, {"nodev", MS_NODEV}, {"noexec", MS_NOEXEC},
        {"noatime", MS_NOATIME}, {"nodiratime", MS_NODIRATIME}, {"relatime", MS_RELATIME}, {"sync", MS_SYNCHRONOUS},
        {"remount", MS_REMOUNT}, {"bind", MS_BIND}, {"rec", MS_REC}, {"private", MS_PRIVATE}};
    unsigned long flags = 0;
    *data = 0;
    for (char *word; (word = strsep(&options, ","));) {
        size_t i = 0;
        while (i < COUNT(known) && strcmp(known[i].name, word))
            i++;
        if (i < COUNT(known)) {
            flags |= known[i].flag;
        } else if (strlen(data) + strlen(word) + 2 < room) {
            strcat(strcat(data, *data ? "," : ""), word);
        }
    }
    return flags;
}

static bool listed(const char *file, const char *wanted, int column) {
    char line[1024];
    FILE *from = fopen(file, "re");
    bool found = false;
    while (from && !found && fgets(line, sizeof line, from)) {
        char *rest = line, *word = NULL;
        for (int i = 0; i <= column; i++)
            word = strsep(&rest, " \t\n");
        found = word && !strcmp(word, wanted);
    }
    if (from)
        fclose(from);
    return found;
}

/* userdata is f2fs on the DAYU200, which the cloud kernel of the virtual board lacks, and here it may hold no file system at
 * all, which the real init would make. An empty /data does for us. */
static bool data_stand_in(const char *target, int error) {
    say("init", "%s: %s; an empty tmpfs stands in", target, error == ENODEV ? "its file system is not in this kernel" : strerror(error));
    return !mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0771,size=25%");
}

static bool has_flag(const char *flags, const char *wanted) {
    size_t length = strlen(wanted);
    for (const char *at = flags; (at = strstr(at, wanted)); at += length)
        if ((at == flags || at[-1] == ',') && (!at[length] || at[length] == ',' || at[length] == '='))
            return true;
    return false;
}

static bool mount_row(const char *device, const char *target, const char *type, char *options, const char *flags) {
    char data[256];
    if (!device_wait(device)) {
        say("init", "%s: no such device after %d s", device, WAIT_MS / 1000);
        return false;
    }
    if (!strcmp(type, "none") || listed("/proc/mounts", target, 1))
        return true;
    mkdir(target, 0771);                    /* as the real init: works where the parent can be written, so below /mnt */
    unsigned long bits = mount_flags(options, data, sizeof data);
    bool done = !mount(device, target, type, bits, data);
    if (!done && !strcmp(target, "/data"))
        done = data_stand_in(target, errno);
    if (!done)
        say("init", "cannot mount %s on %s (%s %s): %s", device, target, type, data, strerror(errno));
    else
        say("init", "%s is mounted on %s (%s, %s)", strrchr(device, '/') + 1, target, type, flags);
    return done;
}

/* Mounts what is not mounted yet; gives back how many `required` rows failed, or -1 without the file. */
int fstab_mount(const char *file) {
    char line[1024], empty[] = "";
    int failed = 0, row = 0;
    FILE *from = fopen(file, "re");
    if (!from) {
        say("init", "%s: %s", file, strerror(errno));
        return -1;
    }
    while (fgets(line, sizeof line, from)) {
        char *rest = line, *columns[5], *word;
        int count = 0;
        row++;
        while (count < 5 && (word = strsep(&rest, " \t\r\n")))
            if (*word)
                columns[count++] = word;
        if (count == 0 || *columns[0] == '#')
            continue;
        if (count < 4 || *columns[0] != '/' || *columns[1] != '/') {
            say("init", "%s:%d: not a row of five columns", file, row);
            continue;
        }
        char *flags = count > 4 ? columns[4] : empty;
        bool root = !strcmp(columns[1], "/usr") || !strcmp(columns[1], "/");   /* system: it is the root already */
        if (!root && !mount_row(columns[0], columns[1], columns[2], columns[3], flags) && has_flag(flags, "required"))
            failed++;
    }
    fclose(from);
    return failed;
}

void disks_release(void) {
    char line[1024], targets[64][128];
    int count = 0;
    FILE *from = fopen("/proc/mounts", "re");
    while (from && count < 64 && fgets(line, sizeof line, from)) {
        char *rest = line;
        strsep(&rest, " ");
        char *target = strsep(&rest, " ");
        if (target && strcmp(target, "/") && strcmp(target, "/proc"))
            snprintf(targets[count++], sizeof targets[0], "%s", target);
    }
    if (from)
        fclose(from);
    while (count-- > 0)
        umount2(targets[count], MNT_DETACH);
    mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
}
