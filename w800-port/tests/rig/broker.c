/*
 * A broker that does what the names in its packets say.
 *
 *   broker ADDRESS
 *
 * It prints "BROKER" and its port, and "ready".
 *
 * client identifier
 *   refuse-N   CONNACK has the return code N, and the connection is closed
 *   mute       there is no CONNACK
 *   kept       from the second time on, CONNACK says that the session is present
 *   slow       all that comes after CONNECT is read slowly
 *   tell       after CONNACK, the CONNECT packet comes back as a message of topic "connect"
 *   count      after CONNACK, a message of topic "count" has the number of CONNECT packets so far, and of
 *              messages of topic "mute"
 * filter
 *   refused    SUBACK has 0x80
 *   lower      QoS 0 is granted
 *   mute       there is no answer
 *   gone       the connection is closed
 * topic
 *   mute       there is no acknowledgement
 *   gone       the connection is closed
 *   echo       the message comes back, at QoS 0
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* 60000 bytes take 15 seconds. */
#define SLICE 2000
#define PAUSE_MS 500

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int connects, kept, mutes;

struct packet {
    unsigned char bytes[70000];
    size_t length; /* of all of it */
    size_t body;   /* where its body begins */
    int is_slow;   /* the connection on which it comes */
};

static int is(const unsigned char *text, const char *word)
{
    size_t length = (size_t)(text[0] << 8 | text[1]);
    return length == strlen(word) && memcmp(text + 2, word, length) == 0;
}

static int receive(int connection, int is_slow, unsigned char *bytes, size_t length)
{
    while (is_slow && length > SLICE) {
        usleep(1000 * PAUSE_MS);
        if (recv(connection, bytes, SLICE, MSG_WAITALL) != SLICE) {
            return 0;
        }
        bytes += SLICE;
        length -= SLICE;
    }
    return recv(connection, bytes, length, MSG_WAITALL) == (ssize_t)length;
}

static int receive_packet(int connection, struct packet *packet)
{
    size_t remaining = 0;
    int shift = 0;
    packet->length = 0;
    do {
        if (packet->length > 4 || !receive(connection, 0, packet->bytes + packet->length, 1)) {
            return 0;
        }
        if (packet->length++ > 0) {
            remaining |= (size_t)(packet->bytes[packet->length - 1] & 0x7f) << shift;
            shift += 7;
        }
    } while (packet->length == 1 || (packet->bytes[packet->length - 1] & 0x80) != 0);
    packet->body = packet->length;
    packet->length += remaining;
    return packet->length <= sizeof packet->bytes &&
           (remaining == 0 ||
            receive(connection, packet->is_slow, packet->bytes + packet->body, remaining));
}

static void transmit(int connection, const void *bytes, size_t length)
{
    if (send(connection, bytes, length, MSG_NOSIGNAL) < 0) {
        shutdown(connection, SHUT_RDWR);
    }
}

static void answer(int connection, int type, const unsigned char *identifier)
{
    unsigned char bytes[4];
    bytes[0] = (unsigned char)type;
    bytes[1] = 2;
    memcpy(bytes + 2, identifier, 2);
    transmit(connection, bytes, sizeof bytes);
}

static void publish(int connection, const char *topic, const void *payload, size_t length)
{
    unsigned char head[64];
    size_t topic_length = strlen(topic), remaining = 2 + topic_length + length, at = 0;
    head[at++] = 0x30;
    do {
        head[at++] = (unsigned char)(remaining % 128 | (remaining > 127 ? 0x80 : 0));
        remaining /= 128;
    } while (remaining > 0);
    head[at++] = 0;
    head[at++] = (unsigned char)topic_length;
    memcpy(head + at, topic, topic_length);
    transmit(connection, head, at + topic_length);
    transmit(connection, payload, length);
}

/* 0: the connection ends. */
static int on_connect(int connection, struct packet *packet)
{
    const unsigned char *identifier = packet->bytes + packet->body + 10;
    unsigned char connack[4] = {0x20, 2, 0, 0};
    char text[32];
    pthread_mutex_lock(&lock);
    snprintf(text, sizeof text, "%d %d", ++connects, mutes);
    if (is(identifier, "kept")) {
        connack[2] = kept++ > 0;
    }
    pthread_mutex_unlock(&lock);
    if (is(identifier, "mute")) {
        return 1;
    }
    packet->is_slow = is(identifier, "slow");
    if (identifier[1] == 8 && memcmp(identifier + 2, "refuse-", 7) == 0) {
        connack[3] = (unsigned char)(identifier[9] - '0');
    }
    transmit(connection, connack, sizeof connack);
    if (is(identifier, "tell")) {
        publish(connection, "connect", packet->bytes, packet->length);
    } else if (is(identifier, "count")) {
        publish(connection, "count", text, strlen(text));
    }
    return connack[3] == 0;
}

static int on_subscribe(int connection, const struct packet *packet)
{
    const unsigned char *identifier = packet->bytes + packet->body, *filter = identifier + 2;
    unsigned char suback[5] = {0x90, 3, 0, 0, 0};
    memcpy(suback + 2, identifier, 2);
    suback[4] = is(filter, "refused") ? 0x80
                : is(filter, "lower") ? 0
                                      : packet->bytes[packet->length - 1];
    if (!is(filter, "mute") && !is(filter, "gone")) {
        transmit(connection, suback, sizeof suback);
    }
    return !is(filter, "gone");
}

static int on_publish(int connection, const struct packet *packet)
{
    const unsigned char *topic = packet->bytes + packet->body;
    const unsigned char *next = topic + 2 + (topic[0] << 8 | topic[1]);
    int qos = packet->bytes[0] >> 1 & 3;
    pthread_mutex_lock(&lock);
    mutes += is(topic, "mute");
    pthread_mutex_unlock(&lock);
    if (qos > 0 && !is(topic, "mute") && !is(topic, "gone")) {
        answer(connection, qos == 1 ? 0x40 : 0x50, next);
    }
    if (is(topic, "echo")) {
        next += qos > 0 ? 2 : 0;
        publish(connection, "echo", next, packet->length - (size_t)(next - packet->bytes));
    }
    return !is(topic, "gone");
}

static void *serve(void *argument)
{
    int connection = (int)(intptr_t)argument, goes_on = 1;
    struct packet *packet = calloc(1, sizeof *packet);
    while (goes_on && packet != NULL && receive_packet(connection, packet)) {
        const unsigned char *body = packet->bytes + packet->body;
        switch (packet->bytes[0] >> 4) {
        case 1:
            goes_on = on_connect(connection, packet);
            break;
        case 3:
            goes_on = on_publish(connection, packet);
            break;
        case 6:
            answer(connection, 0x70, body);
            break;
        case 8:
            goes_on = on_subscribe(connection, packet);
            break;
        case 10:
            if (!is(body + 2, "mute")) {
                answer(connection, 0xb0, body);
            }
            break;
        case 12:
            transmit(connection, "\xd0", 2);
            break;
        case 14:
            goes_on = 0;
            break;
        default:
            break;
        }
    }
    free(packet);
    close(connection);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), buffer = 4096;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    if (argc != 2 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
        fprintf(stderr, "broker ADDRESS\n");
        return 2;
    }
    /* What is not read has to stay with the client. */
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 16) != 0 || getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        perror("broker");
        return 1;
    }
    printf("BROKER %d\nready\n", (int)ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        pthread_t thread;
        int connection = accept(listener, NULL, NULL);
        if (connection >= 0 &&
            pthread_create(&thread, NULL, serve, (void *)(intptr_t)connection) == 0) {
            pthread_detach(thread);
        }
    }
}
