/* Looking up a name with lwIP, without waiting. */
#ifndef WM_MQTT_DNS_LWIP_H
#define WM_MQTT_DNS_LWIP_H

#include "lwip/ip_addr.h"

struct wm_mqtt_dns;

/* NULL if there is no memory, or the name is too long to be one. The background task is woken when the
   lookup has ended. */
struct wm_mqtt_dns *wm_mqtt_dns_start(const char *host);
/* 1: the address was found. 0: not yet. < 0: an error of wm_mqtt_port.h. */
int wm_mqtt_dns_result(struct wm_mqtt_dns *dns, ip_addr_t *address);
/* Also while the lookup goes on. */
void wm_mqtt_dns_free(struct wm_mqtt_dns *dns);

#endif
