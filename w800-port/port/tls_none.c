/* In place of tls_mbedtls.c where TLS is left out. The library refuses mqtts and wss before it gets here. */
#include "network.h"

struct wm_mqtt_tls *wm_mqtt_tls_open(const wm_mqtt_port_target_t *target, struct wm_mqtt_net *net)
{
    (void)target;
    (void)net;
    return NULL;
}

int wm_mqtt_tls_broken(const struct wm_mqtt_tls *tls)
{
    (void)tls;
    return WM_MQTT_PORT_ERROR_NETWORK;
}

int wm_mqtt_tls_step(struct wm_mqtt_tls *tls)
{
    (void)tls;
    return WM_MQTT_PORT_ERROR_NETWORK;
}

int wm_mqtt_tls_read(struct wm_mqtt_tls *tls, void *buf, size_t size)
{
    (void)tls;
    (void)buf;
    (void)size;
    return WM_MQTT_PORT_ERROR_NETWORK;
}

int wm_mqtt_tls_write(struct wm_mqtt_tls *tls, const void *buf, size_t size)
{
    (void)tls;
    (void)buf;
    (void)size;
    return WM_MQTT_PORT_ERROR_NETWORK;
}

const char *wm_mqtt_tls_reason(struct wm_mqtt_tls *tls)
{
    (void)tls;
    return NULL;
}

void wm_mqtt_tls_close(struct wm_mqtt_tls *tls)
{
    (void)tls;
}
