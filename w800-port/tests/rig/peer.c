/*
 * The other end of the cable: TCP servers that are not MQTT brokers, and a name server.
 *
 *   peer ADDRESS [names]
 *
 * It takes free ports of this address and prints what is where:
 *
 *   ECHO     sends back what comes
 *   SILENT   never reads
 *   SOURCE   sends bytes without end, each one more than the last, modulo 251
 *   ONCE     sends back what comes first, and closes
 *   RESET    resets the connection when something comes
 *   CLOSED   is taken, but nobody listens
 *
 * With `names`, it is also a name server, at port 53: broker.test has this address, silent.test and what
 * ends with it are not answered, and no other name has an address.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct in_addr here;

/* A socket at this port, or at a free one if that is 0. */
static int bound(int type, uint16_t port)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int made = socket(AF_INET, type, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr = here;
    address.sin_port = htons(port);
    if (bind(made, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(made, (struct sockaddr *)&address, &size) != 0) {
        perror("peer");
        exit(1);
    }
    return made;
}

static void *echo(void *argument)
{
    int connection = (int)(intptr_t)argument;
    char bytes[4096];
    ssize_t length;
    while ((length = recv(connection, bytes, sizeof bytes, 0)) > 0) {
        if (send(connection, bytes, (size_t)length, MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    close(connection);
    return NULL;
}

static void *source(void *argument)
{
    int connection = (int)(intptr_t)argument;
    unsigned char bytes[251 * 16];
    size_t i;
    for (i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i % 251);
    }
    for (i = 0;;) {
        ssize_t sent = send(connection, bytes + i, sizeof bytes - i, MSG_NOSIGNAL);
        if (sent < 0) {
            break;
        }
        i = (i + (size_t)sent) % sizeof bytes;
    }
    close(connection);
    return NULL;
}

static void *once(void *argument)
{
    int connection = (int)(intptr_t)argument;
    char bytes[64];
    ssize_t length = recv(connection, bytes, sizeof bytes, 0);
    if (length > 0) {
        send(connection, bytes, (size_t)length, MSG_NOSIGNAL);
    }
    close(connection);
    return NULL;
}

static void *reset(void *argument)
{
    int connection = (int)(intptr_t)argument;
    struct linger at_once = {1, 0};
    char byte;
    recv(connection, &byte, 1, 0);
    setsockopt(connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(connection);
    return NULL;
}

static const struct {
    const char *name;
    void *(*serve)(void *);
} servers[] = {{"ECHO", echo}, {"SILENT", NULL}, {"SOURCE", source}, {"ONCE", once}, {"RESET", reset}};

#define SERVERS (sizeof servers / sizeof servers[0])

static void accepted(int listener, void *(*serve)(void *))
{
    int connection = accept(listener, NULL, NULL);
    pthread_t thread;
    if (connection >= 0 && serve != NULL &&
        pthread_create(&thread, NULL, serve, (void *)(intptr_t)connection) == 0) {
        pthread_detach(thread);
    }
}

static void say(const char *name, int made)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    getsockname(made, (struct sockaddr *)&address, &size);
    printf("%s %u\n", name, (unsigned)ntohs(address.sin_port));
}

/* Answers a question for an address, as RFC 1035 has it. */
static void answer(int names)
{
    static const char broker[] = "\6broker\4test";
    static const char silent[] = "\6silent\4test";
    unsigned char packet[512];
    const char *name = (char *)packet + 12;
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t length = recvfrom(names, packet, sizeof packet - 16, 0, (struct sockaddr *)&from, &size);
    size_t end = 12;
    if (length < 12) {
        return;
    }
    while (end < (size_t)length && packet[end] != 0) {
        end += packet[end] + 1u;
    }
    end += 5;
    if (end > (size_t)length || strstr(name, silent) != NULL) {
        return;
    }
    packet[2] = 0x81;
    packet[3] = 0x83; /* no such name */
    memset(packet + 6, 0, 6);
    if (strcmp(name, broker) == 0 && packet[end - 3] == 1) {
        static const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4};
        packet[3] = 0x80;
        packet[7] = 1;
        memcpy(packet + end, record, sizeof record);
        memcpy(packet + end + sizeof record, &here, 4);
        end += sizeof record + 4;
    }
    sendto(names, packet, end, 0, (struct sockaddr *)&from, size);
}

int main(int argc, char **argv)
{
    struct pollfd ask[SERVERS + 1];
    nfds_t i, asks = SERVERS;
    if (argc < 2 || inet_aton(argv[1], &here) == 0) {
        return 2;
    }
    for (i = 0; i < SERVERS; i++) {
        ask[i].fd = bound(SOCK_STREAM, 0);
        ask[i].events = POLLIN;
        listen(ask[i].fd, 16);
        say(servers[i].name, ask[i].fd);
    }
    say("CLOSED", bound(SOCK_STREAM, 0));
    if (argc > 2) {
        ask[asks].fd = bound(SOCK_DGRAM, 53);
        ask[asks++].events = POLLIN;
    }
    printf("running\n");
    fflush(stdout);
    for (;;) {
        poll(ask, asks, -1);
        for (i = 0; i < SERVERS; i++) {
            if (ask[i].revents != 0) {
                accepted(ask[i].fd, servers[i].serve);
            }
        }
        if (asks > SERVERS && ask[SERVERS].revents != 0) {
            answer(ask[SERVERS].fd);
        }
    }
}
