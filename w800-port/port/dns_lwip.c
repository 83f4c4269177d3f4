/*
 * Looking up a name with lwIP.
 *
 * dns_gethostbyname() belongs to the tcpip thread, and a lookup cannot be called off. So each has a
 * block of its own, which whoever comes last frees: the stack, or who asked.
 */
#include "dns_lwip.h"

#include <string.h>

#include "lwip/dns.h"
#include "lwip/sys.h"
#include "lwip/tcpip.h"
#include "lwip/timeouts.h"

#include "wm_mqtt_port.h"

/* While all entries of the stack's table are taken, it is asked again after so many milliseconds. */
#define AGAIN 250

struct wm_mqtt_dns {
    ip_addr_t address;
    int result;
    int abandoned; /* nobody wants to know any more */
    char host[1];  /* and what it is longer */
};

/* In the tcpip thread: the lookup has ended. */
static void finish(struct wm_mqtt_dns *dns, int result)
{
    int abandoned;
    SYS_ARCH_DECL_PROTECT(level);
    SYS_ARCH_PROTECT(level);
    dns->result = result;
    abandoned = dns->abandoned;
    SYS_ARCH_UNPROTECT(level);
    if (abandoned) {
        wm_mqtt_port_free(dns);
    } else {
        wm_mqtt_port_wake();
    }
}

static void found(const char *name, const ip_addr_t *address, void *asked)
{
    struct wm_mqtt_dns *dns = asked;
    LWIP_UNUSED_ARG(name);
    if (address != NULL) {
        ip_addr_copy(dns->address, *address);
    }
    finish(dns, address != NULL ? 1 : WM_MQTT_PORT_ERROR_NAME);
}

/* In the tcpip thread. */
static void ask(void *asked)
{
    struct wm_mqtt_dns *dns = asked;
    err_t error = dns_gethostbyname(dns->host, &dns->address, found, dns);
    if (error == ERR_OK) {
        finish(dns, 1);
    } else if (error == ERR_MEM && !dns->abandoned) {
        sys_timeout(AGAIN, ask, dns);
    } else if (error != ERR_INPROGRESS) {
        finish(dns, WM_MQTT_PORT_ERROR_NAME);
    }
}

struct wm_mqtt_dns *wm_mqtt_dns_start(const char *host)
{
    size_t length = strlen(host);
    struct wm_mqtt_dns *dns = wm_mqtt_port_alloc(sizeof *dns + length);
    if (dns == NULL) {
        return NULL;
    }
    dns->result = 0;
    dns->abandoned = 0;
    memcpy(dns->host, host, length + 1);
    if (tcpip_try_callback(ask, dns) != ERR_OK) {
        wm_mqtt_port_free(dns);
        return NULL;
    }
    return dns;
}

int wm_mqtt_dns_result(struct wm_mqtt_dns *dns, ip_addr_t *address)
{
    int result;
    SYS_ARCH_DECL_PROTECT(level);
    SYS_ARCH_PROTECT(level);
    result = dns->result;
    SYS_ARCH_UNPROTECT(level);
    if (result > 0) {
        ip_addr_copy(*address, dns->address);
    }
    return result;
}

void wm_mqtt_dns_free(struct wm_mqtt_dns *dns)
{
    int result;
    SYS_ARCH_DECL_PROTECT(level);
    SYS_ARCH_PROTECT(level);
    result = dns->result;
    dns->abandoned = 1;
    SYS_ARCH_UNPROTECT(level);
    if (result != 0) {
        wm_mqtt_port_free(dns);
    }
}
