/*
 * MQTT client for the W800, call for call as the vendor's component.
 *
 * All functions may be called from any task, and from event callbacks. Those that wait for the network
 * say for how long at most. Their results: 0 or more is success, less is an error; the names are in
 * wm_mqtt_client_error_code_t, and besides these there are
 *
 *   -3 (WM_ERR_INVALID_PARAM), -7 (WM_ERR_NO_INITED), -4 (WM_ERR_BUSY): see each function
 *   -4999 .. -4995   the server refuses the connection: protocol version, client identifier, server
 *                    unavailable, user name or password, not authorised (with MQTT 5.0 the reason code
 *                    of the same meaning, or -5001 for one without)
 *   -4872            the server refuses the subscription
 *   -5099            no memory
 *   below -5100      TLS: -5000 plus the negative code of the TLS library
 *
 * wm_mqtt_client_last_error() has the reason in words.
 */
#ifndef __WM_MQTT_CLIENT_H__
#define __WM_MQTT_CLIENT_H__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wm_types.h"
#include "wm_error.h"
#include "wm_event.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The event group: for wm_event_add_callback(). */
WM_EVENT_DECLARE_GROUP(WM_MQTT_EV);

/* Events, and what a callback's data is. */
enum wm_event_mqtt_client {
    /* The server has accepted the connection. data is NULL. */
    WM_EVENT_MQTT_CLIENT_CONNECTED = 0,
    /* A connection has ended. Asked for (disconnect, reconnect, deinit): data is NULL. Lost: data has
       mqtt_client_disconnect_info. Never without a CONNECTED before. */
    WM_EVENT_MQTT_CLIENT_DISCONNECTED = 1,
    /* A message was received. data has mqtt_client_data_info, and the application owns and free()s its
       topic and payload. QoS 1 and 2 are acknowledged to the server once this event is in the queue. */
    WM_EVENT_MQTT_CLIENT_DATA = 2,
    /* The server has a QoS 1 or 2 message. data has mqtt_client_published_info. */
    WM_EVENT_MQTT_CLIENT_PUBLISHED = 3,

    /* The next are posted only for clients of wm_mqtt_client_init_with(). */

    /* A part of a message that is too long for one DATA event. data has mqtt_client_data_part_info, and
       the application owns and free()s its topic and payload. Needs part_size of the options. */
    WM_EVENT_MQTT_CLIENT_DATA_PART = 4,
    /* A QoS 1 or 2 message will not be delivered as far as the client knows: the server has not kept the
       session, or has turned the message down, or it has expired. data has mqtt_client_published_info. */
    WM_EVENT_MQTT_CLIENT_LOST = 5
};

/* What the certificates of mqtts and wss are for. Other schemes do not look at it. */
typedef enum wm_mqtt_client_auth_mode_en {
    /* Encrypted. The server is verified if there is a ca, else anybody may be it. */
    WM_MQTT_CLIENT_AUTH_MODE_NOT_CERT = 0,
    /* The server is verified, chain and host name, by ca. */
    WM_MQTT_CLIENT_AUTH_MODE_AUTH_SERVER_CERT = 1,
    /* The client shows cert and proves it with key. The server as in NOT_CERT. */
    WM_MQTT_CLIENT_AUTH_MODE_PROVIDE_CLIENT_CERT = 2,
    /* Both. */
    WM_MQTT_CLIENT_AUTH_MODE_MUTUAL_AUTH = 3
} wm_mqtt_client_auth_mode_t;

typedef enum wm_mqtt_client_error_code_en {
    /* No error. */
    WM_MQTT_CLIENT_ERROR_SUCCESS = WM_ERR_SUCCESS,
    /* The network, a time-out, a server that breaks the protocol, a refusal without a code of its own. */
    WM_MQTT_CLIENT_ERROR_FAILURE = WM_ERR_MQTT_CLIENT_BASE - 1,
    /* The application's journal (wm_mqtt_client_options_t) has failed. */
    WM_MQTT_CLIENT_ERROR_PERSISTENCE_ERROR = WM_ERR_MQTT_CLIENT_BASE - 2,
    /* There is no connection, or it broke, or another call has ended it. */
    WM_MQTT_CLIENT_ERROR_DISCONNECTED = WM_ERR_MQTT_CLIENT_BASE - 3,
    /* publish: as many messages are in flight as there may be, and none got through in time. */
    WM_MQTT_CLIENT_ERROR_MAX_MESSAGES_INFLIGHT = WM_ERR_MQTT_CLIENT_BASE - 4,
    /* A string is not UTF-8 as MQTT wants it. */
    WM_MQTT_CLIENT_ERROR_BAD_UTF8_STRING = WM_ERR_MQTT_CLIENT_BASE - 5,
    /* Something is missing: for connect, a certificate that auth_mode calls for. */
    WM_MQTT_CLIENT_ERROR_NULL_PARAMETER = WM_ERR_MQTT_CLIENT_BASE - 6,
    /* A topic longer than MQTT allows (65535 bytes), or one given with its length that has a NUL in it. */
    WM_MQTT_CLIENT_ERROR_TOPICNAME_TRUNCATED = WM_ERR_MQTT_CLIENT_BASE - 7,
    /* A structure that was not initialised: the size of the options, a function of the journal. */
    WM_MQTT_CLIENT_ERROR_BAD_STRUCTURE = WM_ERR_MQTT_CLIENT_BASE - 8,
    /* A QoS other than 0, 1, 2. */
    WM_MQTT_CLIENT_ERROR_BAD_QOS = WM_ERR_MQTT_CLIENT_BASE - 9,
    /* connect: mqtts or wss, and the library was built without TLS. */
    WM_MQTT_CLIENT_ERROR_SSL_NOT_SUPPORTED = WM_ERR_MQTT_CLIENT_BASE - 10,
    /* The mqtt_version of the options is none that there is. */
    WM_MQTT_CLIENT_ERROR_BAD_MQTT_VERSION = WM_ERR_MQTT_CLIENT_BASE - 11,
    /* The URI has a scheme that is not among the eight. */
    WM_MQTT_CLIENT_ERROR_BAD_PROTOCOL = WM_ERR_MQTT_CLIENT_BASE - 14,
    /* An option that the chosen version of MQTT does not have. */
    WM_MQTT_CLIENT_ERROR_BAD_MQTT_OPTION = WM_ERR_MQTT_CLIENT_BASE - 15,
    /* A call that the chosen version of MQTT does not have. */
    WM_MQTT_CLIENT_ERROR_WRONG_MQTT_VERSION = WM_ERR_MQTT_CLIENT_BASE - 16,
    /* connect: the will's topic is the empty string. */
    WM_MQTT_CLIENT_ERROR_0_LEN_WILL_TOPIC = WM_ERR_MQTT_CLIENT_BASE - 17
} wm_mqtt_client_error_code_t;

typedef union wm_mqtt_event_data_un {
    /* DATA */
    struct {
        char *topic;           /* NUL-terminated; free() it */
        uint16_t topic_len;
        char *payload;         /* NULL if it is empty; free() it. A NUL follows that does not count */
        uint16_t payload_len;
        int msgid;             /* 0 for QoS 0 */
        uint8_t qos;
        uint8_t dup;           /* 1: the server may have sent it before; QoS 1 only */
        uint8_t retained;
        void *client_handle;   /* the handle's client */
    } mqtt_client_data_info;

    /* PUBLISHED, LOST */
    struct {
        int msg_id;            /* as publish returned it */
    } mqtt_client_published_info;

    /* DISCONNECTED, when the connection was lost */
    struct {
        void *client_handle;   /* the handle's client */
    } mqtt_client_disconnect_info;

    /* DATA_PART */
    struct {
        char *topic;           /* NUL-terminated; free() it. NULL but for the first part */
        char *payload;         /* free() it. NULL: the message was cut off, forget its parts */
        uint16_t payload_len;
        uint8_t qos;
        uint8_t retained;
        int msgid;
        uint32_t offset;       /* of this part in the message */
        uint32_t total;        /* length of the message */
        void *client_handle;
    } mqtt_client_data_part_info;
} wm_mqtt_event_data_t;

/* All of it is copied. Zero means what it says at each field. */
typedef struct wm_mqtt_client_config_st {
    char *uri;                 /* scheme://host[:port][/path]; schemes mqtt, tcp, mqtts, ssl, ws, wss. Without one: mqtt.
                                  Ports 1883, 8883, 80, 443; path /mqtt, for WebSocket only; IPv6 in [] */

    char *client_id;           /* NULL: the chip's name and the end of its MAC address */
    char *username;            /* NULL: none */
    char *password;            /* NULL: none; not looked at without a username */

    wm_mqtt_client_auth_mode_t auth_mode;

    char *ca;                  /* PEM; NULL: none */
    char *cert;                /* PEM; NULL: none */
    char *key;                 /* PEM, not encrypted; NULL: none */
    char **alpn;               /* protocol names, ended by NULL; NULL: none */

    char *will_topic;          /* NULL: no will */
    char *will_msg;            /* NULL: empty */
    uint8_t will_qos;
    uint8_t will_retain;

    uint16_t keep_alive;       /* seconds; 0: 60 */

    uint8_t clean_session;     /* 0: the server keeps the session, and messages in flight are sent again */

    bool debug;                /* log more than errors */
} wm_mqtt_client_config_t;

/* A client. Read it, do not write to it. */
typedef struct wm_mqtt_client_handle_st {
    void *client;              /* what events call client_handle; another one after reconnect */
    void *config;

    char *uri;

    char *client_id;
    char *username;
    char *password;

    char *ca;
    char *cert;
    char *key;
    char **alpn;

    char *will_topic;
    char *will_msg;
} *wm_mqtt_client_handle_t;

/* ---- The vendor's functions ---- */

/*
 * A client for this configuration. It does not connect.
 * NULL (WM_INVALID_HANDLE) if there is no memory, config or its uri is NULL, the scheme is unknown, host or
 * port are wrong, or client_id is not UTF-8; wm_mqtt_client_last_error(NULL, ..) tells which.
 */
wm_mqtt_client_handle_t wm_mqtt_client_init(wm_mqtt_client_config_t *config);

/*
 * Disconnects, as wm_mqtt_client_disconnect(), and frees the client. Calls of other tasks that wait on it
 * return WM_MQTT_CLIENT_ERROR_DISCONNECTED.
 * 0, or -3 if handle is not that of a client.
 */
int wm_mqtt_client_deinit(wm_mqtt_client_handle_t handle);

/*
 * Connects, and waits for the server's answer, at most 30 seconds. Messages in flight from a connection
 * before are sent again if clean_session is 0.
 * Several tasks may connect one client at the same time, and have the same result.
 * 0: connected, with the event CONNECTED unless it was already. -3: not the handle of a client. -4: more
 * than 16 calls wait, over all clients. FAILURE: no connection, or no answer. -4999 to -4995: refused.
 * NULL_PARAMETER, BAD_QOS (the will's), BAD_UTF8_STRING (user name, password, will's topic),
 * 0_LEN_WILL_TOPIC, SSL_NOT_SUPPORTED, PERSISTENCE_ERROR: see there. -5099, TLS: see above.
 */
int wm_mqtt_client_connect(wm_mqtt_client_handle_t handle);

/*
 * Sends what the server takes now, and DISCONNECT, and closes; at most 10 seconds. Ends a connect of another
 * task, and automatic reconnection. The event DISCONNECTED follows if there was a connection.
 * 0, also if there was none; -3 if handle is not that of a client.
 */
int wm_mqtt_client_disconnect(wm_mqtt_client_handle_t handle);

/*
 * Disconnects, forgets all messages in flight, and connects as a new client; handle->client changes.
 * Results of wm_mqtt_client_connect().
 */
int wm_mqtt_client_reconnect(wm_mqtt_client_handle_t handle);

/*
 * Subscribes, and waits for the server's answer, at most 10 seconds; without one the connection is closed.
 * > 0: the packet identifier; the server may have granted a lower QoS. -7: not the handle of a client. -3:
 * topic is NULL. -4872: refused. BAD_QOS, BAD_UTF8_STRING, DISCONNECTED, FAILURE (no answer, an invalid
 * filter, or one too long for the transmit buffer).
 */
int wm_mqtt_client_subscribe(wm_mqtt_client_handle_t handle, const char *topic, uint8_t qos);

/*
 * Ends a subscription, and waits as wm_mqtt_client_subscribe(), with the same results.
 */
int wm_mqtt_client_unsubscribe(wm_mqtt_client_handle_t handle, const char *topic);

/* The spelling in the vendor's guide. */
int wm_mqtt_client_unsubcribe(wm_mqtt_client_handle_t handle, const char *topic);

/*
 * Publishes. Returns once the message is with the library; waits, at most 10 seconds, only if as many
 * messages are in flight, or as many bytes waiting to be sent, as there may be.
 * message NULL is an empty payload; msg_len 0 is strlen(message).
 * 0 for QoS 0; > 0: the packet identifier, which PUBLISHED will have. -7: not the handle of a client. -3:
 * topic is NULL. BAD_QOS, BAD_UTF8_STRING, DISCONNECTED, MAX_MESSAGES_INFLIGHT (also: no room for its bytes
 * in time), PERSISTENCE_ERROR, FAILURE (a topic with wildcards, a message that the transmit buffer can never
 * hold or that the server does not take).
 */
int wm_mqtt_client_publish(wm_mqtt_client_handle_t handle, const char *topic, const char *message,
                           uint16_t msg_len, uint8_t qos, uint8_t retain);

/* ---- Additions ---- */

/*
 * A journal that keeps the session over a loss of power. The library calls it with its lock held: it must
 * not call this API, and other calls wait for it.
 */
typedef struct wm_mqtt_client_journal_st {
    void *context;
    /* Has record on stable storage before it returns 0. Else the call that needs it fails with
       PERSISTENCE_ERROR, the connection ends, and there is no other one: only deinit and init, which
       reads what is there, go on. */
    int (*append)(void *context, const void *record, size_t size);
    /* Copies the record at this index (0 is the oldest) to buffer: its length, 0 if there is none, < 0 for an
       error. Called by wm_mqtt_client_init_with(). */
    int (*read)(void *context, uint32_t index, void *buffer, size_t size);
    /* Begins anew, with no records: 0, or < 0 for an error. Called when no message is on its way, so
       that none is lost if the power fails now, and by wm_mqtt_client_reconnect(). */
    int (*reset)(void *context);
} wm_mqtt_client_journal_t;

/* What the vendor's client does not have. Zero means what it says at each field. */
typedef struct wm_mqtt_client_options_st {
    uint32_t size;             /* sizeof(wm_mqtt_client_options_t) */
    uint8_t mqtt_version;      /* 0 or 4: MQTT 3.1.1; 3: 3.1; 5: 5.0 */
    uint8_t auto_reconnect;    /* 1: connect again by itself, unless another client took over */
    uint16_t window;           /* QoS 1 and 2 messages in flight, each way; 0: as built */
    uint16_t reconnect_min;    /* seconds to the first try, doubled after each failure; 0: 1 */
    uint16_t reconnect_max;    /* seconds, no longer than this; 0: 60. A random part is taken off each */
    uint32_t rx_size;          /* bytes of the receive buffer; 0: as built */
    uint32_t tx_size;          /* bytes of the transmit buffer; 0: as built */
    uint32_t max_message;      /* longest payload for one DATA event, at most 65535; 0: as built */
    uint32_t part_size;        /* longer ones come as DATA_PART of this length, at most 65535; 0: they are discarded */
    uint32_t session_expiry;   /* 5.0 only: seconds that the server keeps a session; 0 with clean_session 0: for ever */
    const wm_mqtt_client_journal_t *journal; /* NULL: none. Its functions may be called while the client is there */
} wm_mqtt_client_options_t;

/* Options as they are in wm_mqtt_client_init(). */
#define WM_MQTT_CLIENT_OPTIONS_INIT { sizeof(wm_mqtt_client_options_t), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL }

/*
 * wm_mqtt_client_init() with options; NULL options are the default. If it returns NULL, *error (unless that
 * is NULL) is the reason: -3, -5099, BAD_PROTOCOL, BAD_UTF8_STRING, BAD_STRUCTURE (size, journal), BAD_MQTT_VERSION,
 * BAD_MQTT_OPTION (session_expiry without 5.0, a buffer too small for CONNECT), PERSISTENCE_ERROR.
 */
wm_mqtt_client_handle_t wm_mqtt_client_init_with(const wm_mqtt_client_config_t *config,
                                                 const wm_mqtt_client_options_t *options, int *error);

/*
 * wm_mqtt_client_publish() for a payload of any length, with NULs or not: msg_len 0 is empty. What the
 * transmit buffer does not hold is sent from message itself: the call then returns when it is sent (QoS 0) or
 * the server has it, and gives up after 10 seconds without progress, which ends the connection. A topic may
 * be given by its length, 0 is strlen(topic).
 * Results of wm_mqtt_client_publish(), and TOPICNAME_TRUNCATED for a topic with a NUL in it.
 */
int wm_mqtt_client_publish_large(wm_mqtt_client_handle_t handle, const char *topic, uint16_t topic_len,
                                 const void *message, size_t msg_len, uint8_t qos, uint8_t retain);

/* Options of a subscription in MQTT 5.0. */
#define WM_MQTT_CLIENT_NO_LOCAL 0x04            /* not what this client publishes */
#define WM_MQTT_CLIENT_RETAIN_AS_PUBLISHED 0x08 /* the retain flag as it was published */
#define WM_MQTT_CLIENT_RETAINED_IF_NEW 0x10     /* retained messages only if the subscription is new */
#define WM_MQTT_CLIENT_RETAINED_NEVER 0x20      /* no retained messages */

/*
 * wm_mqtt_client_subscribe() with options, for MQTT 5.0.
 * Its results, and WRONG_MQTT_VERSION for a client of another version.
 */
int wm_mqtt_client_subscribe_with(wm_mqtt_client_handle_t handle, const char *topic, uint8_t qos,
                                  uint8_t options);

/*
 * Why the last call on this client failed, or its connection was lost; for NULL, why the last init failed.
 * Returns the code, 0 if nothing has failed, and copies the reason in words to text (unless NULL), cut to size
 * with its NUL.
 */
int wm_mqtt_client_last_error(wm_mqtt_client_handle_t handle, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
