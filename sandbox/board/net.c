/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox's network: two interfaces, and a relay to what the image binds to 127.0.0.1. */
#include "board.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const OURS = "10.0.2.15";    /* the guest's address in QEMU's user network */

static struct sockaddr_in address(const char *text, int port) {
    struct sockaddr_in made = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, text, &made.sin_addr);
    return made;
}

static bool interface_up(int socket, const char *name, const char *ip, const char *mask) {
    struct ifreq ask = {0};
    struct sockaddr_in at = address(ip, 0), bits = address(mask, 0);
    snprintf(ask.ifr_name, sizeof ask.ifr_name, "%s", name);
    memcpy(&ask.ifr_addr, &at, sizeof at);
    if (ioctl(socket, SIOCSIFADDR, &ask))
        return false;
    memcpy(&ask.ifr_netmask, &bits, sizeof bits);
    ioctl(socket, SIOCSIFNETMASK, &ask);
    if (ioctl(socket, SIOCGIFFLAGS, &ask))
        return false;
    ask.ifr_flags |= IFF_UP | IFF_RUNNING;
    return !ioctl(socket, SIOCSIFFLAGS, &ask);
}

void network_up(void) {
    int with = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (with < 0 || !interface_up(with, "lo", "127.0.0.1", "255.0.0.0"))
        say("init", "lo: %s", strerror(errno));
    if (with < 0 || !interface_up(with, "eth0", OURS, "255.255.255.0"))
        say("init", "eth0: %s", strerror(errno));
    if (with >= 0)
        close(with);
}

static int listener(int port) {
    struct sockaddr_in at = address(OURS, port);
    int on = 1, made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (made >= 0 && (bind(made, (struct sockaddr *)&at, sizeof at) || listen(made, 64))) {
        say("init", "%s:%d: %s", OURS, port, strerror(errno));
        close(made);
        return -1;
    }
    return made;
}

int control_listen(int port) {
    return listener(port);
}

struct way { int from, to; char store[65536]; size_t begin, end; bool closed, told; };

static void way_read(struct way *way) {
    ssize_t got = read(way->from, way->store, sizeof way->store);
    if (got > 0) {
        way->begin = 0;
        way->end = (size_t)got;
    } else if (got == 0 || errno != EAGAIN) {
        way->closed = true;
    }
}

/* False: the other side is gone. */
static bool way_write(struct way *way) {
    ssize_t put = send(way->to, way->store + way->begin, way->end - way->begin, MSG_NOSIGNAL);
    if (put < 0)
        return errno == EAGAIN;
    way->begin += (size_t)put;
    return true;
}

void carry(int left, int right) {
    static struct way ways[2];
    ways[0].from = ways[1].to = left;
    ways[0].to = ways[1].from = right;
    fcntl(left, F_SETFL, O_NONBLOCK);
    fcntl(right, F_SETFL, O_NONBLOCK);
    while (!ways[0].told || !ways[1].told) {
        struct pollfd watch[4];
        for (int i = 0; i < 2; i++) {
            bool empty = ways[i].begin == ways[i].end;
            if (empty && ways[i].closed && !ways[i].told) {
                shutdown(ways[i].to, SHUT_WR);
                ways[i].told = true;
            }
            watch[2 * i] = (struct pollfd){empty && !ways[i].closed ? ways[i].from : -1, POLLIN, 0};
            watch[2 * i + 1] = (struct pollfd){empty ? -1 : ways[i].to, POLLOUT, 0};
        }
        if (ways[0].told && ways[1].told)
            return;
        if (poll(watch, 4, -1) < 0)
            return;
        for (int i = 0; i < 2; i++) {
            if (watch[2 * i].fd >= 0 && watch[2 * i].revents)
                way_read(&ways[i]);
            if (watch[2 * i + 1].fd >= 0 && watch[2 * i + 1].revents && !way_write(&ways[i]))
                return;
        }
    }
}

int local_connect(int port) {
    struct sockaddr_in at = address("127.0.0.1", port);
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made >= 0 && connect(made, (struct sockaddr *)&at, sizeof at)) {
        close(made);
        return -1;
    }
    return made;
}

static void pass_on(int client, int port) {
    int service = local_connect(port);
    if (service < 0) {
        /* nobody listens: a reset tells the host so at once */
        setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
        return;
    }
    carry(client, service);
}

pid_t relay_start(int port) {
    int from = listener(port);
    pid_t pid = from < 0 ? -1 : fork();
    if (pid != 0) {
        if (from >= 0)
            close(from);
        return pid;
    }
    prctl(PR_SET_NAME, "kiln-relay");
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int client = accept4(from, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0 && fork() == 0) {
            close(from);
            pass_on(client, port);
            _exit(0);
        }
        if (client >= 0)
            close(client);
        else if (errno != EINTR && errno != ECONNABORTED)
            _exit(1);
    }
}
