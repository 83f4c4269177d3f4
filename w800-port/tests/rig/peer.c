/*
 * The other end of the cable: a name server, and TCP servers that are not MQTT brokers.
 *
 *   peer ADDRESS ECHO SILENT SOURCE [NAMES]
 *
 * ECHO, SILENT and SOURCE are ports: what comes is sent back; nothing is read, ever; bytes are sent
 * without end, each one more than the last, modulo 251. With NAMES, a port for UDP, broker.test has this
 * ADDRESS, and no other name has one; silent.test is not answered.
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

static int bound(int type, const char *port)
{
    struct sockaddr_in address;
    int one = 1;
    int made = socket(AF_INET, type, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr = here;
    address.sin_port = htons((uint16_t)atoi(port));
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(made, (struct sockaddr *)&address, sizeof address) != 0 ||
        (type == SOCK_STREAM && listen(made, 16) != 0)) {
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

static void accepted(int listener, void *(*serve)(void *))
{
    int connection = accept(listener, NULL, NULL);
    pthread_t thread;
    if (connection >= 0 && serve != NULL &&
        pthread_create(&thread, NULL, serve, (void *)(intptr_t)connection) == 0) {
        pthread_detach(thread);
    }
}

/* Answers a question for an address, as RFC 1035 has it. */
static void answer(int names)
{
    static const char broker[] = "\6broker\4test";
    static const char silent[] = "\6silent\4test";
    unsigned char packet[512];
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
    if (end > (size_t)length || strcmp((char *)packet + 12, silent) == 0) {
        return;
    }
    packet[2] = 0x81;
    packet[3] = 0x83; /* no such name */
    memset(packet + 6, 0, 6);
    if (strcmp((char *)packet + 12, broker) == 0 && packet[end - 3] == 1) {
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
    struct pollfd ask[4];
    int i;
    if (argc < 5 || inet_aton(argv[1], &here) == 0) {
        return 2;
    }
    for (i = 0; i < argc - 2; i++) {
        ask[i].fd = bound(i == 3 ? SOCK_DGRAM : SOCK_STREAM, argv[i + 2]);
        ask[i].events = POLLIN;
    }
    printf("running\n");
    fflush(stdout);
    for (;;) {
        poll(ask, (nfds_t)argc - 2, -1);
        if (ask[0].revents != 0) {
            accepted(ask[0].fd, echo);
        }
        if (ask[1].revents != 0) {
            accepted(ask[1].fd, NULL);
        }
        if (ask[2].revents != 0) {
            accepted(ask[2].fd, source);
        }
        if (argc > 5 && ask[3].revents != 0) {
            answer(ask[3].fd);
        }
    }
}
