/*
 * What the MQTT client needs of the chip and its SDK: the whole list.
 *
 * The library (libw800_port.a) calls these functions and nothing else, besides memcpy, memmove,
 * memset, memcmp and strlen of the C library and the compiler's integer helpers. port/ has them for
 * the W800's SDK and for a POSIX host.
 *
 * The library has one background task and one lock. The task does all input and output of all
 * clients. Calls of wm_mqtt_client.h take the lock for a moment, wake the task, and wait on a
 * semaphore; they never call a stream function. Unless it says otherwise below, a function may be
 * called with the lock held, so it must not wait for anything that needs an API call to end.
 */
#ifndef WM_MQTT_PORT_H
#define WM_MQTT_PORT_H

#include <stddef.h>
#include <stdint.h>

#include "wm_mqtt_client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Settings: what the build decides. ---- */

typedef struct wm_mqtt_port_settings {
    const char *chip;          /* default client identifiers begin with it: "W800" */
    uint32_t rx_size;          /* receive buffer of a client, bytes, at least 64; larger messages go through it */
    uint32_t tx_size;          /* transmit buffer of a client, bytes, at least 256; bounds what publish takes */
    uint32_t max_message;      /* longest payload received as one event, at most 65535 */
    uint16_t window;           /* QoS 1 and 2 messages in flight, each way, 1 to 65535 */
    uint16_t events;           /* events that a client keeps while the event queue is full, at least 1 */
    uint8_t tls;               /* 0: built without TLS, mqtts and wss are refused */
} wm_mqtt_port_settings_t;

extern const wm_mqtt_port_settings_t wm_mqtt_port_settings;

/* ---- Memory: the C heap. ---- */

/* Aligned for any object; NULL if there is none. Applications free() what came with a DATA event, so
   it has to be malloc's. */
void *wm_mqtt_port_alloc(size_t size);
void wm_mqtt_port_free(void *memory);

/* ---- Clock, randomness, identity. ---- */

/* Milliseconds since any moment; wraps around. */
uint32_t wm_mqtt_port_now(void);
/* Fills buf; as unpredictable as the chip can. */
void wm_mqtt_port_random(void *buf, size_t size);
/* The station's MAC address; 0, or < 0 if it has none yet. */
int wm_mqtt_port_mac(uint8_t mac[6]);

/* ---- Log. ---- */

#define WM_MQTT_PORT_LOG_ERROR 0
#define WM_MQTT_PORT_LOG_INFO 1
#define WM_MQTT_PORT_LOG_DEBUG 2

/* One line, without a line end. Never holds a password or a user name. */
void wm_mqtt_port_log(int level, const char *text);

/* ---- Events. ---- */

/* Hands an event of the group WM_MQTT_EV to the event task, without waiting. data is copied; NULL if
   the event has none. 0 if it was taken; anything else, and it is tried again a little later. */
int wm_mqtt_port_event(int event, const wm_mqtt_event_data_t *data);

/* ---- Tasks. ---- */

/* The lock of the library; never taken twice by one task. Held for as long as it takes to copy some
   bytes or to encrypt a record. Must work before the first other call; there is no set-up function. */
void wm_mqtt_port_lock(void);
void wm_mqtt_port_unlock(void);

/* A binary semaphore, not posted; NULL if there is no memory. The library keeps those that it has, one
   for each call that waits at the same time, 16 at most. */
void *wm_mqtt_port_semaphore(void);
void wm_mqtt_port_post(void *semaphore);
/* Waits until it is posted (and takes that), at most ms milliseconds: 0, or < 0 when these are over.
   Called without the lock. */
int wm_mqtt_port_pend(void *semaphore, uint32_t ms);

/* Starts the background task, once, when a client connects for the first time: 0, or < 0 if it cannot.
   task never returns. */
int wm_mqtt_port_start(void (*task)(void));

/* Called by the background task alone, without the lock. Returns when
   - wm_mqtt_port_wake() was called, before or meanwhile,
   - a stream may be able to go on: one whose last step, read or write returned 0,
   - ms milliseconds are over (UINT32_MAX: never).
   It may return for no reason, but not in a loop. */
void wm_mqtt_port_wait(uint32_t ms);
/* From any task. Not lost if the background task does not wait yet. */
void wm_mqtt_port_wake(void);

/* ---- Streams: TCP, or TLS over TCP. Called by the background task alone. ---- */

/* Where to. It, and all that it points to, stays valid and unchanged until the stream is closed. */
typedef struct wm_mqtt_port_target {
    const char *host;          /* name, IPv4 or IPv6 address (without brackets); also for SNI and the check of the name */
    uint16_t port;
    uint8_t tls;               /* 1: TLS */
    uint8_t verify;            /* 1: the server's certificate must be valid, chain and name, by ca */
    const char *ca;            /* PEM, NUL-terminated, or NULL */
    const char *cert;          /* the client's, PEM, or NULL */
    const char *key;           /* the client's, PEM, or NULL; there if cert is */
    const char *const *alpn;   /* protocol names, ended by NULL, or NULL */
} wm_mqtt_port_target_t;

/* Results of open, step, read and write. */
#define WM_MQTT_PORT_ERROR_END (-1)         /* the other side has closed, in order (read only) */
#define WM_MQTT_PORT_ERROR_NETWORK (-2)     /* anything without a name of its own */
#define WM_MQTT_PORT_ERROR_NAME (-3)        /* the host's name has no address */
#define WM_MQTT_PORT_ERROR_REFUSED (-4)     /* nobody listens there */
#define WM_MQTT_PORT_ERROR_UNREACHABLE (-5) /* no route, no network */
#define WM_MQTT_PORT_ERROR_RESET (-6)       /* the connection broke */
#define WM_MQTT_PORT_ERROR_TIMEOUT (-7)     /* the network gave up */
#define WM_MQTT_PORT_ERROR_MEMORY (-8)      /* no memory */
#define WM_MQTT_PORT_ERROR_SOCKET (-9)      /* all sockets are taken */
/* A TLS library's negative code, at least -0xffff. */
#define WM_MQTT_PORT_ERROR_TLS(code) ((code) - 0x10000)

/* Begins a stream; NULL, with the reason in *error, if it cannot. Does not wait. Called with the lock
   held. PEM that cannot be read may be told here or by the first step. */
void *wm_mqtt_port_open(const wm_mqtt_port_target_t *target, int *error);
/* Goes on with name, TCP and TLS handshake, without waiting for the network: 1 it is open, 0 it goes on
   when wm_mqtt_port_wait returns, < 0 it failed. Called without the lock, as a handshake takes time. */
int wm_mqtt_port_step(void *stream);
/* > 0: so many bytes were read or written. 0: none now. < 0: an error, after which only close follows.
   size is never 0. Called with the lock held. */
int wm_mqtt_port_read(void *stream, void *buf, size_t size);
int wm_mqtt_port_write(void *stream, const void *buf, size_t size);
/* The last error of this stream in words, for the log; NULL if there is nothing to add. */
const char *wm_mqtt_port_reason(void *stream);
/* Ends it, whatever it is doing, and frees all that it has. Does not wait for the other side; what was
   written before is still sent (with TLS, close_notify after it, if that can be had without waiting).
   Called with the lock held. */
void wm_mqtt_port_close(void *stream);

#ifdef __cplusplus
}
#endif

#endif
