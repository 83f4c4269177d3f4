/*
 * Layouts and values of the header: the vendor's, number for number, as the compiler sees them. A
 * difference does not compile. Compiled for 32 bits, as the chip has them, too.
 */
#include "wm_mqtt_client.h"

#include "rig.h"

#define HOLDS_AT(line, condition) typedef char holds_in_line_##line[(condition) ? 1 : -1]
#define HOLDS_IN(line, condition) HOLDS_AT(line, condition)
#define HOLDS(condition) HOLDS_IN(__LINE__, condition)

/* --- values ----------------------------------------------------------------------- */

HOLDS(WM_EVENT_MQTT_CLIENT_CONNECTED == 0);
HOLDS(WM_EVENT_MQTT_CLIENT_DISCONNECTED == 1);
HOLDS(WM_EVENT_MQTT_CLIENT_DATA == 2);
HOLDS(WM_EVENT_MQTT_CLIENT_PUBLISHED == 3);

HOLDS(WM_MQTT_CLIENT_AUTH_MODE_NOT_CERT == 0);
HOLDS(WM_MQTT_CLIENT_AUTH_MODE_AUTH_SERVER_CERT == 1);
HOLDS(WM_MQTT_CLIENT_AUTH_MODE_PROVIDE_CLIENT_CERT == 2);
HOLDS(WM_MQTT_CLIENT_AUTH_MODE_MUTUAL_AUTH == 3);

HOLDS(WM_MQTT_CLIENT_ERROR_SUCCESS == 0);
HOLDS(WM_MQTT_CLIENT_ERROR_FAILURE == -5001);
HOLDS(WM_MQTT_CLIENT_ERROR_PERSISTENCE_ERROR == -5002);
HOLDS(WM_MQTT_CLIENT_ERROR_DISCONNECTED == -5003);
HOLDS(WM_MQTT_CLIENT_ERROR_MAX_MESSAGES_INFLIGHT == -5004);
HOLDS(WM_MQTT_CLIENT_ERROR_BAD_UTF8_STRING == -5005);
HOLDS(WM_MQTT_CLIENT_ERROR_NULL_PARAMETER == -5006);
HOLDS(WM_MQTT_CLIENT_ERROR_TOPICNAME_TRUNCATED == -5007);
HOLDS(WM_MQTT_CLIENT_ERROR_BAD_STRUCTURE == -5008);
HOLDS(WM_MQTT_CLIENT_ERROR_BAD_QOS == -5009);
HOLDS(WM_MQTT_CLIENT_ERROR_SSL_NOT_SUPPORTED == -5010);
HOLDS(WM_MQTT_CLIENT_ERROR_BAD_MQTT_VERSION == -5011);
HOLDS(WM_MQTT_CLIENT_ERROR_BAD_PROTOCOL == -5014);
HOLDS(WM_MQTT_CLIENT_ERROR_BAD_MQTT_OPTION == -5015);
HOLDS(WM_MQTT_CLIENT_ERROR_WRONG_MQTT_VERSION == -5016);
HOLDS(WM_MQTT_CLIENT_ERROR_0_LEN_WILL_TOPIC == -5017);

/* --- layouts, in bytes of the chip --------------------------------------------------- */

#if UINTPTR_MAX == 0xffffffffU

#define CONFIG_AT(field, offset) HOLDS(offsetof(wm_mqtt_client_config_t, field) == (offset))
#define HANDLE_AT(field, index) HOLDS(offsetof(struct wm_mqtt_client_handle_st, field) == 4 * (index))
#define EVENT_AT(field, offset) HOLDS(offsetof(wm_mqtt_event_data_t, field) == (offset))

HOLDS(sizeof(wm_mqtt_client_auth_mode_t) == 4);
HOLDS(sizeof(wm_mqtt_client_error_code_t) == 4);

HOLDS(sizeof(wm_mqtt_client_config_t) == 52);
CONFIG_AT(uri, 0);
CONFIG_AT(client_id, 4);
CONFIG_AT(username, 8);
CONFIG_AT(password, 12);
CONFIG_AT(auth_mode, 16);
CONFIG_AT(ca, 20);
CONFIG_AT(cert, 24);
CONFIG_AT(key, 28);
CONFIG_AT(alpn, 32);
CONFIG_AT(will_topic, 36);
CONFIG_AT(will_msg, 40);
CONFIG_AT(will_qos, 44);
CONFIG_AT(will_retain, 45);
CONFIG_AT(keep_alive, 46);
CONFIG_AT(clean_session, 48);
CONFIG_AT(debug, 49);

HOLDS(sizeof(struct wm_mqtt_client_handle_st) == 48);
HANDLE_AT(client, 0);
HANDLE_AT(config, 1);
HANDLE_AT(uri, 2);
HANDLE_AT(client_id, 3);
HANDLE_AT(username, 4);
HANDLE_AT(password, 5);
HANDLE_AT(ca, 6);
HANDLE_AT(cert, 7);
HANDLE_AT(key, 8);
HANDLE_AT(alpn, 9);
HANDLE_AT(will_topic, 10);
HANDLE_AT(will_msg, 11);

EVENT_AT(mqtt_client_data_info.topic, 0);
EVENT_AT(mqtt_client_data_info.topic_len, 4);
EVENT_AT(mqtt_client_data_info.payload, 8);
EVENT_AT(mqtt_client_data_info.payload_len, 12);
EVENT_AT(mqtt_client_data_info.msgid, 16);
EVENT_AT(mqtt_client_data_info.qos, 20);
EVENT_AT(mqtt_client_data_info.dup, 21);
EVENT_AT(mqtt_client_data_info.retained, 22);
EVENT_AT(mqtt_client_data_info.client_handle, 24);
EVENT_AT(mqtt_client_published_info.msg_id, 0);
EVENT_AT(mqtt_client_disconnect_info.client_handle, 0);
HOLDS(sizeof(wm_mqtt_event_data_t) == 28);

#endif

/* --- signatures: a function that is not of this type does not compile ------------------ */

static wm_mqtt_client_handle_t (*const init)(wm_mqtt_client_config_t *) = wm_mqtt_client_init;
static int (*const of_handle[])(wm_mqtt_client_handle_t) = {
    wm_mqtt_client_deinit, wm_mqtt_client_connect, wm_mqtt_client_disconnect,
    wm_mqtt_client_reconnect};
static int (*const subscribe)(wm_mqtt_client_handle_t, const char *, uint8_t) =
    wm_mqtt_client_subscribe;
static int (*const unsubscribe[])(wm_mqtt_client_handle_t, const char *) = {
    wm_mqtt_client_unsubscribe, wm_mqtt_client_unsubcribe};
static int (*const publish)(wm_mqtt_client_handle_t, const char *, const char *, uint16_t, uint8_t,
                            uint8_t) = wm_mqtt_client_publish;

SCENARIO(header_is_linked)
{
    size_t i;
    CHECK(WM_MQTT_EV != NULL);
    CHECK(init(NULL) == NULL);
    for (i = 0; i < sizeof of_handle / sizeof *of_handle; i++) {
        SAME(of_handle[i](NULL), WM_ERR_INVALID_PARAM);
    }
    SAME(subscribe(NULL, "a", 0), WM_ERR_NO_INITED);
    for (i = 0; i < sizeof unsubscribe / sizeof *unsubscribe; i++) {
        SAME(unsubscribe[i](NULL, "a"), WM_ERR_NO_INITED);
    }
    SAME(publish(NULL, "a", "b", 1, 0, 0), WM_ERR_NO_INITED);
}
