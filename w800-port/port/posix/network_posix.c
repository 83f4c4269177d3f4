/*
 * TCP with BSD sockets, for a POSIX host: what a port to another system looks like whose network has
 * sockets and poll(), and no callbacks.
 *
 * The background task waits in one poll() for all its connections and for the pipe that wakes it.
 */
#define _POSIX_C_SOURCE 200809L
#include "../network.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* More connections at once are refused. */
#define MOST 32

/* ---- Names: getaddrinfo() waits, so each lookup has a thread ---- */

struct lookup {
    struct addrinfo *found;
    int result;
    bool abandoned; /* whoever comes last frees it */
    char port[6];
    char host[1]; /* and what it is longer */
};

static pthread_mutex_t lookups = PTHREAD_MUTEX_INITIALIZER;

static void lookup_free(struct lookup *lookup)
{
    if (lookup->found != NULL) {
        freeaddrinfo(lookup->found);
    }
    wm_mqtt_port_free(lookup);
}

static void *look_up(void *asked)
{
    struct lookup *lookup = asked;
    struct addrinfo hints;
    bool abandoned;
    int error;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    error = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found);
    pthread_mutex_lock(&lookups);
    lookup->result = error == 0 ? 1 : WM_MQTT_PORT_ERROR_NAME;
    abandoned = lookup->abandoned;
    pthread_mutex_unlock(&lookups);
    if (abandoned) {
        lookup_free(lookup);
    } else {
        wm_mqtt_port_wake();
    }
    return NULL;
}

static struct lookup *lookup_start(const char *host, uint16_t port)
{
    struct lookup *lookup = wm_mqtt_port_alloc(sizeof *lookup + strlen(host));
    pthread_t thread;
    if (lookup == NULL) {
        return NULL;
    }
    memset(lookup, 0, sizeof *lookup);
    strcpy(lookup->host, host);
    snprintf(lookup->port, sizeof lookup->port, "%u", (unsigned)port);
    if (pthread_create(&thread, NULL, look_up, lookup) != 0) {
        lookup_free(lookup);
        return NULL;
    }
    pthread_detach(thread);
    return lookup;
}

static int lookup_result(struct lookup *lookup)
{
    int result;
    pthread_mutex_lock(&lookups);
    result = lookup->result;
    pthread_mutex_unlock(&lookups);
    return result;
}

static void lookup_abandon(struct lookup *lookup)
{
    bool ended;
    pthread_mutex_lock(&lookups);
    lookup->abandoned = true;
    ended = lookup->result != 0;
    pthread_mutex_unlock(&lookups);
    if (ended) {
        lookup_free(lookup);
    }
}

/* ---- Connections ---- */

struct wm_mqtt_net {
    struct wm_mqtt_net *next; /* in `all` */
    struct lookup *lookup;
    const struct addrinfo *address; /* the one that is tried, and those after it */
    int socket;                     /* -1: none yet */
    short wanted;                   /* what to poll for: the last call found that it would wait */
};

/* The background task's, as everything here but the lookups. */
static struct wm_mqtt_net *all;
static unsigned count;

static int code(int error)
{
    switch (error) {
    case ENOMEM:
    case ENOBUFS:
        return WM_MQTT_PORT_ERROR_MEMORY;
    case EMFILE:
    case ENFILE:
        return WM_MQTT_PORT_ERROR_SOCKET;
    case ECONNREFUSED:
        return WM_MQTT_PORT_ERROR_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL:
        return WM_MQTT_PORT_ERROR_UNREACHABLE;
    case ECONNRESET:
    case EPIPE:
        return WM_MQTT_PORT_ERROR_RESET;
    case ETIMEDOUT:
        return WM_MQTT_PORT_ERROR_TIMEOUT;
    default:
        return WM_MQTT_PORT_ERROR_NETWORK;
    }
}

/* Begins to connect to the address; 0, or the error. */
static int begin(struct wm_mqtt_net *net)
{
    const struct addrinfo *to = net->address;
    int one = 1;
    net->socket = socket(to->ai_family, to->ai_socktype, to->ai_protocol);
    if (net->socket < 0) {
        return errno;
    }
    fcntl(net->socket, F_SETFD, FD_CLOEXEC);
    fcntl(net->socket, F_SETFL, O_NONBLOCK);
    setsockopt(net->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(net->socket, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS) {
        return errno;
    }
    return 0;
}

/* Whether the connection is there: 0 with *ended set, 0 without, or the error. */
static int check(struct wm_mqtt_net *net, bool *ended)
{
    struct pollfd ask;
    int error = 0;
    socklen_t size = sizeof error;
    ask.fd = net->socket;
    ask.events = POLLOUT;
    *ended = poll(&ask, 1, 0) == 1;
    if (*ended && getsockopt(net->socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    return error;
}

struct wm_mqtt_net *wm_mqtt_net_open(const char *host, uint16_t port, int *error)
{
    struct wm_mqtt_net *net;
    if (count == MOST) {
        *error = WM_MQTT_PORT_ERROR_SOCKET;
        return NULL;
    }
    *error = WM_MQTT_PORT_ERROR_MEMORY;
    net = wm_mqtt_port_alloc(sizeof *net);
    if (net == NULL) {
        return NULL;
    }
    memset(net, 0, sizeof *net);
    net->socket = -1;
    net->lookup = lookup_start(host, port);
    if (net->lookup == NULL) {
        wm_mqtt_port_free(net);
        return NULL;
    }
    net->next = all;
    all = net;
    count++;
    return net;
}

int wm_mqtt_net_step(struct wm_mqtt_net *net)
{
    bool ended = false;
    int error = 0;
    if (net->address == NULL) {
        int result = lookup_result(net->lookup);
        if (result != 1) {
            return result;
        }
        net->address = net->lookup->found;
    }
    if (net->socket < 0) {
        error = begin(net);
    }
    if (error == 0) {
        error = check(net, &ended);
    }
    /* A name may have several addresses. */
    while (error != 0 && net->address->ai_next != NULL) {
        close(net->socket);
        net->address = net->address->ai_next;
        error = begin(net);
        ended = false;
    }
    if (error != 0) {
        return code(error);
    }
    net->wanted = ended ? 0 : POLLOUT;
    return ended;
}

int wm_mqtt_net_read(struct wm_mqtt_net *net, void *buf, size_t size)
{
    ssize_t result = recv(net->socket, buf, size, 0);
    if (result > 0) {
        return (int)result;
    }
    if (result == 0) {
        return WM_MQTT_PORT_ERROR_END;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        net->wanted |= POLLIN;
        return 0;
    }
    return code(errno);
}

int wm_mqtt_net_write(struct wm_mqtt_net *net, const void *buf, size_t size)
{
    ssize_t result = send(net->socket, buf, size, MSG_NOSIGNAL);
    if (result >= 0) {
        return (int)result;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        net->wanted |= POLLOUT;
        return 0;
    }
    return code(errno);
}

void wm_mqtt_net_close(struct wm_mqtt_net *net)
{
    struct wm_mqtt_net **place;
    for (place = &all; *place != net; place = &(*place)->next) {
    }
    *place = net->next;
    count--;
    if (net->socket >= 0) {
        close(net->socket);
    }
    lookup_abandon(net->lookup);
    wm_mqtt_port_free(net);
}

/* ---- Waiting for all of them ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int pipe_ends[2];

static void make_pipe(void)
{
    if (pipe(pipe_ends) == 0) {
        fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
        fcntl(pipe_ends[1], F_SETFL, O_NONBLOCK);
    }
}

void wm_mqtt_port_wake(void)
{
    pthread_once(&once, make_pipe);
    /* If the pipe is full, the task is woken anyway. */
    if (write(pipe_ends[1], "", 1) < 0) {
        return;
    }
}

void wm_mqtt_port_wait(uint32_t ms)
{
    struct pollfd ask[MOST + 1];
    struct wm_mqtt_net *asked[MOST + 1];
    struct wm_mqtt_net *net;
    nfds_t asks = 1, i;
    char bytes[64];

    pthread_once(&once, make_pipe);
    ask[0].fd = pipe_ends[0];
    ask[0].events = POLLIN;
    for (net = all; net != NULL; net = net->next) {
        if (net->socket >= 0 && net->wanted != 0) {
            ask[asks].fd = net->socket;
            ask[asks].events = net->wanted;
            asked[asks++] = net;
        }
    }
    if (poll(ask, asks, ms > 86400000 ? (ms == UINT32_MAX ? -1 : 86400000) : (int)ms) <= 0) {
        return;
    }
    while (read(pipe_ends[0], bytes, sizeof bytes) > 0) {
    }
    for (i = 1; i < asks; i++) {
        /* What was found is told once; else this would return at once until somebody reads. */
        if (ask[i].revents != 0) {
            asked[i]->wanted = (ask[i].revents & ~(POLLIN | POLLOUT)) != 0
                                   ? 0
                                   : asked[i]->wanted & ~ask[i].revents;
        }
    }
}
