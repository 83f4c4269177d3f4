/* Streams: a TCP connection, with TLS over it if the target asks for it. */
#include "network.h"

typedef struct {
    struct wm_mqtt_net *net;
    struct wm_mqtt_tls *tls; /* NULL: without */
    int connected;           /* TCP is */
} stream_t;

void *wm_mqtt_port_open(const wm_mqtt_port_target_t *target, int *error)
{
    stream_t *stream = wm_mqtt_port_alloc(sizeof *stream);
    if (stream == NULL) {
        *error = WM_MQTT_PORT_ERROR_MEMORY;
        return NULL;
    }
    stream->tls = NULL;
    stream->connected = 0;
    stream->net = wm_mqtt_net_open(target->host, target->port, error);
    if (stream->net != NULL && target->tls) {
        *error = WM_MQTT_PORT_ERROR_MEMORY;
        stream->tls = wm_mqtt_tls_open(target, stream->net);
    }
    if (stream->net == NULL || (target->tls && stream->tls == NULL)) {
        wm_mqtt_port_close(stream);
        return NULL;
    }
    return stream;
}

int wm_mqtt_port_step(void *opened)
{
    stream_t *stream = opened;
    if (!stream->connected) {
        int result = stream->tls != NULL ? wm_mqtt_tls_broken(stream->tls) : 0;
        if (result != 0) {
            return result;
        }
        result = wm_mqtt_net_step(stream->net);
        if (result != 1 || stream->tls == NULL) {
            return result;
        }
        stream->connected = 1;
    }
    return wm_mqtt_tls_step(stream->tls);
}

int wm_mqtt_port_read(void *opened, void *buf, size_t size)
{
    stream_t *stream = opened;
    return stream->tls != NULL ? wm_mqtt_tls_read(stream->tls, buf, size)
                               : wm_mqtt_net_read(stream->net, buf, size);
}

int wm_mqtt_port_write(void *opened, const void *buf, size_t size)
{
    stream_t *stream = opened;
    return stream->tls != NULL ? wm_mqtt_tls_write(stream->tls, buf, size)
                               : wm_mqtt_net_write(stream->net, buf, size);
}

const char *wm_mqtt_port_reason(void *opened)
{
    stream_t *stream = opened;
    return stream->tls != NULL ? wm_mqtt_tls_reason(stream->tls) : NULL;
}

void wm_mqtt_port_close(void *opened)
{
    stream_t *stream = opened;
    if (stream->tls != NULL) {
        wm_mqtt_tls_close(stream->tls);
    }
    if (stream->net != NULL) {
        wm_mqtt_net_close(stream->net);
    }
    wm_mqtt_port_free(stream);
}
