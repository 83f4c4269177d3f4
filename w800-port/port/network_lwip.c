/*
 * TCP with lwIP's netconn interface: connections that never wait, and a callback that wakes the
 * background task when one of them can go on. No socket is used up: descriptors are for others.
 */
#include "network.h"

#include <stdbool.h>

#include "lwip/api.h"
#include "lwip/sys.h"
#include "lwip/tcp.h"
#include "lwip/tcpip.h"

#include "dns_lwip.h"

struct wm_mqtt_net {
    struct wm_mqtt_net *next; /* in `all` */
    struct wm_mqtt_dns *dns;  /* a lookup that goes on */
    struct netconn *conn;     /* NULL until there is an address */
    struct pbuf *rest;        /* received, and read up to `offset` */
    uint16_t offset;
    uint16_t port;
    bool settled; /* connecting has ended, one way or the other */
    bool open;
    ip_addr_t address;
};

/* For the callback to find whose event it is: a netconn has no room for a pointer of ours in all
   versions of lwIP. Protected by SYS_ARCH_PROTECT. */
static struct wm_mqtt_net *all;

/* Called by the stack, mostly in the tcpip thread. */
static void event(struct netconn *conn, enum netconn_evt what, u16_t length)
{
    LWIP_UNUSED_ARG(length);
    if (what != NETCONN_EVT_RCVPLUS && what != NETCONN_EVT_SENDPLUS && what != NETCONN_EVT_ERROR) {
        return;
    }
    if (what != NETCONN_EVT_RCVPLUS) {
        struct wm_mqtt_net *net;
        SYS_ARCH_DECL_PROTECT(level);
        SYS_ARCH_PROTECT(level);
        for (net = all; net != NULL; net = net->next) {
            if (net->conn == conn) {
                net->settled = true;
            }
        }
        SYS_ARCH_UNPROTECT(level);
    }
    wm_mqtt_port_wake();
}

static int code(const struct wm_mqtt_net *net, err_t error)
{
    switch (error) {
    case ERR_MEM:
    case ERR_BUF:
        return WM_MQTT_PORT_ERROR_MEMORY;
    case ERR_RTE:
        return WM_MQTT_PORT_ERROR_UNREACHABLE;
    case ERR_RST:
        return net->open ? WM_MQTT_PORT_ERROR_RESET : WM_MQTT_PORT_ERROR_REFUSED;
    case ERR_ABRT: /* too many retransmissions */
    case ERR_TIMEOUT:
        return WM_MQTT_PORT_ERROR_TIMEOUT;
    case ERR_CLSD:
        return WM_MQTT_PORT_ERROR_END;
    case ERR_CONN:
        return WM_MQTT_PORT_ERROR_RESET;
    default:
        return WM_MQTT_PORT_ERROR_NETWORK;
    }
}

/* In the tcpip thread: what was written leaves at once. */
static void disable_nagle(void *connected)
{
    struct netconn *conn = connected;
    if (conn->pcb.tcp != NULL) {
        tcp_nagle_disable(conn->pcb.tcp);
    }
}

static int connect(struct wm_mqtt_net *net)
{
    SYS_ARCH_DECL_PROTECT(level);
    err_t error;
    struct netconn *conn;
#if LWIP_IPV6
    conn = netconn_new_with_callback(IP_IS_V6(&net->address) ? NETCONN_TCP_IPV6 : NETCONN_TCP, event);
#else
    conn = netconn_new_with_callback(NETCONN_TCP, event);
#endif
    if (conn == NULL) {
        return WM_MQTT_PORT_ERROR_SOCKET;
    }
    netconn_set_nonblocking(conn, 1);
#if LWIP_TCPIP_CORE_LOCKING
    LOCK_TCPIP_CORE();
    disable_nagle(conn);
    UNLOCK_TCPIP_CORE();
#else
    /* It is done before the thread sees any other message about this netconn. */
    if (tcpip_try_callback(disable_nagle, conn) != ERR_OK) {
        netconn_delete(conn);
        return WM_MQTT_PORT_ERROR_MEMORY;
    }
#endif
    SYS_ARCH_PROTECT(level);
    net->conn = conn;
    SYS_ARCH_UNPROTECT(level);
    error = netconn_connect(conn, &net->address, net->port);
    return error == ERR_OK || error == ERR_INPROGRESS ? 0 : code(net, error);
}

struct wm_mqtt_net *wm_mqtt_net_open(const char *host, uint16_t port, int *error)
{
    static const struct wm_mqtt_net nothing;
    SYS_ARCH_DECL_PROTECT(level);
    struct wm_mqtt_net *net = wm_mqtt_port_alloc(sizeof *net);
    *error = WM_MQTT_PORT_ERROR_MEMORY;
    if (net == NULL) {
        return NULL;
    }
    *net = nothing;
    net->port = port;
    if (!ipaddr_aton(host, &net->address)) {
        net->dns = wm_mqtt_dns_start(host);
        if (net->dns == NULL) {
            wm_mqtt_port_free(net);
            return NULL;
        }
    }
    SYS_ARCH_PROTECT(level);
    net->next = all;
    all = net;
    SYS_ARCH_UNPROTECT(level);
    return net;
}

int wm_mqtt_net_step(struct wm_mqtt_net *net)
{
    bool settled;
    err_t error;
    SYS_ARCH_DECL_PROTECT(level);
    if (net->dns != NULL) {
        int found = wm_mqtt_dns_result(net->dns, &net->address);
        if (found != 1) {
            return found;
        }
        wm_mqtt_dns_free(net->dns);
        net->dns = NULL;
    }
    if (net->conn == NULL) {
        int error_code = connect(net);
        if (error_code != 0) {
            return error_code;
        }
    }
    SYS_ARCH_PROTECT(level);
    settled = net->settled;
    SYS_ARCH_UNPROTECT(level);
    if (!settled) {
        return 0;
    }
    error = netconn_err(net->conn);
    if (error != ERR_OK) {
        return code(net, error);
    }
    net->open = true;
    return 1;
}

int wm_mqtt_net_read(struct wm_mqtt_net *net, void *buf, size_t size)
{
    u16_t length;
    if (net->rest == NULL) {
        err_t error = netconn_recv_tcp_pbuf(net->conn, &net->rest);
        if (error == ERR_WOULDBLOCK) {
            return 0;
        }
        if (error != ERR_OK) {
            net->rest = NULL;
            return code(net, error);
        }
        net->offset = 0;
    }
    length = (u16_t)(net->rest->tot_len - net->offset);
    if (length > size) {
        length = (u16_t)size;
    }
    pbuf_copy_partial(net->rest, buf, length, net->offset);
    net->offset = (u16_t)(net->offset + length);
    if (net->offset == net->rest->tot_len) {
        pbuf_free(net->rest);
        net->rest = NULL;
    }
    return length;
}

int wm_mqtt_net_write(struct wm_mqtt_net *net, const void *buf, size_t size)
{
    size_t written = 0;
    err_t error = netconn_write_partly(net->conn, buf, size, NETCONN_COPY, &written);
    if (error == ERR_WOULDBLOCK) {
        return 0;
    }
    return error == ERR_OK ? (int)written : code(net, error);
}

void wm_mqtt_net_close(struct wm_mqtt_net *net)
{
    struct wm_mqtt_net **place;
    SYS_ARCH_DECL_PROTECT(level);
    SYS_ARCH_PROTECT(level);
    for (place = &all; *place != net; place = &(*place)->next) {
    }
    *place = net->next;
    SYS_ARCH_UNPROTECT(level);
    if (net->dns != NULL) {
        wm_mqtt_dns_free(net->dns);
    }
    if (net->rest != NULL) {
        pbuf_free(net->rest);
    }
    if (net->conn != NULL) {
        /* Both, as lwIP's sockets do: where reading has met the end, a netconn_delete() of 2.1 with
           LWIP_NETCONN_FULLDUPLEX believes that the connection is closed, and leaves it behind. */
        netconn_prepare_delete(net->conn);
        netconn_delete(net->conn);
    }
    wm_mqtt_port_free(net);
}
