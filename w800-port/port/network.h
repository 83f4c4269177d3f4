/*
 * What the files of this folder are to each other. The library knows nothing of it.
 *
 * stream.c has the stream functions of wm_mqtt_port.h. It opens a connection (network_lwip.c, with the
 * addresses from dns_lwip.c; or posix/network_posix.c) and, if asked to, TLS over it (tls_mbedtls.c).
 */
#ifndef WM_MQTT_NETWORK_H
#define WM_MQTT_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "wm_mqtt_port.h"

/* ---- A TCP connection. Results as those of the stream functions; nothing waits. ---- */

struct wm_mqtt_net;

struct wm_mqtt_net *wm_mqtt_net_open(const char *host, uint16_t port, int *error);
int wm_mqtt_net_step(struct wm_mqtt_net *net);
int wm_mqtt_net_read(struct wm_mqtt_net *net, void *buf, size_t size);
int wm_mqtt_net_write(struct wm_mqtt_net *net, const void *buf, size_t size);
void wm_mqtt_net_close(struct wm_mqtt_net *net);

/* ---- TLS over it. It does not own the connection. ---- */

struct wm_mqtt_tls;

/* NULL if there is no memory. */
struct wm_mqtt_tls *wm_mqtt_tls_open(const wm_mqtt_port_target_t *target, struct wm_mqtt_net *net);
/* < 0 if it could not be set up: then there is no need to connect. */
int wm_mqtt_tls_broken(const struct wm_mqtt_tls *tls);
int wm_mqtt_tls_step(struct wm_mqtt_tls *tls);
int wm_mqtt_tls_read(struct wm_mqtt_tls *tls, void *buf, size_t size);
int wm_mqtt_tls_write(struct wm_mqtt_tls *tls, const void *buf, size_t size);
const char *wm_mqtt_tls_reason(struct wm_mqtt_tls *tls);
void wm_mqtt_tls_close(struct wm_mqtt_tls *tls);

/* ---- Random numbers for keys: 0, or < 0 if there are none. ---- */

int wm_mqtt_entropy(void *buf, size_t size);

#endif
