/* SPDX-License-Identifier: Apache-2.0 */
/* A service for the tests of the virtual board: it plays what its first word says. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* GET /health, and whatever else as an echo of its length: enough to prove a path through the relay. */
static void serve(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 16)) {
        perror("bind");
        exit(3);
    }
    fprintf(stderr, "played: listening on %d as uid %d gid %d, NAMED=%s, threads %s\n", port, (int)getuid(), (int)getgid(), getenv("NAMED"),
            getenv("LLAMA_ARG_THREADS"));
    for (;;) {
        char in[65536], out[256];
        int client = accept(listener, NULL, NULL);
        long total = 0, got;
        while ((got = read(client, in, sizeof in - 1)) > 0) {
            total += got;
            in[got] = 0;
            if (strstr(in, "\r\n\r\n") && !strncmp(in, "GET", 3))
                break;
        }
        int length = snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
                              "{\"status\":\"ok\",\"bytes\":%ld}", total);
        if (write(client, out, (size_t)length) < 0)
            perror("write");
        close(client);
    }
}

int main(int count, char **word) {
    const char *play = count > 1 ? word[1] : "", *port = getenv("LLAMA_ARG_PORT");
    if (count == 1 && port)                    /* as the image starts a server: without a word, all in the environment */
        serve(atoi(port));
    if (!strcmp(play, "serve"))
        serve(atoi(word[2]));
    if (!strcmp(play, "crash"))
        abort();
    if (!strcmp(play, "exit"))
        return atoi(word[2]);
    if (!strcmp(play, "escape"))
        fprintf(stderr, "\033]0;owned\007\033[31mred\033[0m\n");
    if (!strcmp(play, "say"))
        for (int i = 2; i < count; i++)
            puts(word[i]);
    if (!strcmp(play, "flood"))
        for (int i = 0; i < 100000; i++)
            puts("0123456789012345678901234567890123456789");
    if (!strcmp(play, "env"))
        printf("NAMED=%s OTHER=%s\n", getenv("NAMED"), getenv("OTHER"));
    if (!strcmp(play, "digest")) {
        unsigned char piece[65536];
        long total = 0;
        FILE *from = fopen(word[2], "r");
        for (size_t got; (got = fread(piece, 1, sizeof piece, from));)
            for (size_t i = 0; i < got; i++)
                total += piece[i];
        printf("%ld\n", total);
    }
    if (!strcmp(play, "background") && fork() == 0)
        sleep(5);
    if (!strcmp(play, "sleep"))
        sleep(1000);
    return 0;
}
