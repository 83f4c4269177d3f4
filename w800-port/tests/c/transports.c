/* The four schemes, each with the three qualities of service, and the ways to be authenticated. */
#include "client.h"

#include <string.h>

static const char message[] = "\0with a NUL, and more";

/* Connects, publishes to itself at each QoS, and ends. */
static void says_and_hears(const wm_mqtt_client_config_t *config)
{
    wm_mqtt_client_handle_t client = client_of(*config);
    int qos;
    watch_events();
    if (wm_mqtt_client_connect(client) != 0) {
        last_error(client);
        CHECK(!"connected");
    }
    CHECK(!expect_event(WM_EVENT_MQTT_CLIENT_CONNECTED).has_data);
    CHECK(wm_mqtt_client_subscribe(client, "rig/#", 2) > 0);
    for (qos = 0; qos <= 2; qos++) {
        struct seen seen;
        int published = qos == 0;
        int id = wm_mqtt_client_publish(client, "rig/1", message, sizeof message, (uint8_t)qos, 0);
        CHECK(qos == 0 ? id == 0 : id > 0);
        /* The server may acknowledge before or after it sends the message. */
        seen = next_event();
        if (seen.event == WM_EVENT_MQTT_CLIENT_PUBLISHED) {
            SAME(seen.data.mqtt_client_published_info.msg_id, id);
            published = 1;
            seen = next_event();
        }
        SAME(seen.event, WM_EVENT_MQTT_CLIENT_DATA);
        SAME(seen.data.mqtt_client_data_info.qos, qos);
        SAME(seen.data.mqtt_client_data_info.dup, 0);
        SAME(seen.data.mqtt_client_data_info.retained, 0);
        CHECK((seen.data.mqtt_client_data_info.msgid == 0) == (qos == 0));
        CHECK(seen.data.mqtt_client_data_info.client_handle == client->client);
        SAME(seen.data.mqtt_client_data_info.payload_len, sizeof message);
        CHECK(memcmp(seen.data.mqtt_client_data_info.payload, message, sizeof message) == 0);
        release(&seen);
        if (!published) {
            seen = expect_event(WM_EVENT_MQTT_CLIENT_PUBLISHED);
            SAME(seen.data.mqtt_client_published_info.msg_id, id);
        }
    }
    CHECK(wm_mqtt_client_unsubscribe(client, "rig/#") > 0);
    SAME(wm_mqtt_client_publish(client, "rig/1", "x", 1, 0, 0), 0);
    expect_no_event(50);
    finish(client);
}

/* mqtt://localhost:1234 and the like, with a ca for those that want one. */
static wm_mqtt_client_config_t over(const char *scheme, const char *port)
{
    static char uri[128];
    wm_mqtt_client_config_t config = config_of(port);
    snprintf(uri, sizeof uri, "%s://%s:%d", scheme, rig_setting("NAME"), rig_number(port));
    config.uri = uri;
    config.ca = rig_file("ca.crt");
    config.auth_mode = WM_MQTT_CLIENT_AUTH_MODE_AUTH_SERVER_CERT;
    return config;
}

SCENARIO(client_over_tcp)
{
    wm_mqtt_client_config_t config = over("mqtt", "TCP");
    says_and_hears(&config);
}

SCENARIO(client_over_tls)
{
    wm_mqtt_client_config_t config = over("mqtts", "TLS");
    says_and_hears(&config);
}

SCENARIO(client_over_websocket)
{
    wm_mqtt_client_config_t config = over("ws", "WS");
    says_and_hears(&config);
}

SCENARIO(client_over_websocket_and_tls)
{
    wm_mqtt_client_config_t config = over("wss", "WSS");
    says_and_hears(&config);
}

/* --- auth_mode: what each name says, and a ca that is there is used ---------------------- */

#define VERIFY_FAILED (-5000 - 0x2700)

/* connect fails, and says why. */
static int refused(const wm_mqtt_client_config_t *config, const char *words)
{
    wm_mqtt_client_handle_t client = client_of(*config);
    char text[128];
    int error = wm_mqtt_client_connect(client);
    SAME(wm_mqtt_client_last_error(client, text, sizeof text), error);
    if (strstr(text, words) == NULL) {
        fprintf(stderr, "%d: %s, not %s\n", error, text, words);
        CHECK(!"the reason");
    }
    SAME(wm_mqtt_client_deinit(client), 0);
    return error;
}

/* Encrypted only: anybody may be the server. */
SCENARIO(auth_not_cert)
{
    static const char *const ports[] = {"TLS", "WRONG_HOST", "EXPIRED"};
    size_t i;
    for (i = 0; i < 3; i++) {
        wm_mqtt_client_config_t config = over("mqtts", ports[i]);
        config.auth_mode = WM_MQTT_CLIENT_AUTH_MODE_NOT_CERT;
        config.ca = NULL;
        says_and_hears(&config);
    }
}

/* The vendor's client ignores it. */
SCENARIO(auth_not_cert_with_a_ca)
{
    wm_mqtt_client_config_t config = over("mqtts", "TLS");
    config.auth_mode = WM_MQTT_CLIENT_AUTH_MODE_NOT_CERT;
    says_and_hears(&config);
    config.ca = rig_file("other_ca.crt");
    SAME(refused(&config, "not signed by the ca"), VERIFY_FAILED);
}

SCENARIO(auth_server_cert)
{
    wm_mqtt_client_config_t config = over("mqtts", "TLS");
    says_and_hears(&config);
    config.ca = rig_file("other_ca.crt");
    SAME(refused(&config, "not signed by the ca"), VERIFY_FAILED);
    config = over("mqtts", "WRONG_HOST");
    SAME(refused(&config, "another host name"), VERIFY_FAILED);
    config = over("mqtts", "EXPIRED");
    SAME(refused(&config, "has expired"), VERIFY_FAILED);
    config = over("wss", "WSS");
    config.ca = rig_file("other_ca.crt");
    SAME(refused(&config, "not signed by the ca"), VERIFY_FAILED);
}

SCENARIO(auth_provide_client_cert)
{
    wm_mqtt_client_config_t config = over("mqtts", "MUTUAL_TLS");
    int error;
    config.auth_mode = WM_MQTT_CLIENT_AUTH_MODE_PROVIDE_CLIENT_CERT;
    config.ca = NULL;
    config.cert = rig_file("client.crt");
    config.key = rig_file("client.key");
    says_and_hears(&config);
    config.ca = rig_file("other_ca.crt");
    SAME(refused(&config, "not signed by the ca"), VERIFY_FAILED);
    /* A server that wants one, and a client that has none. */
    config = over("mqtts", "MUTUAL_TLS");
    error = refused(&config, "");
    CHECK(error == WM_MQTT_CLIENT_ERROR_FAILURE || error == -5000 - 0x7780);
}

SCENARIO(auth_mutual)
{
    wm_mqtt_client_config_t config = over("mqtts", "MUTUAL_TLS");
    config.auth_mode = WM_MQTT_CLIENT_AUTH_MODE_MUTUAL_AUTH;
    config.cert = rig_file("client.crt");
    config.key = rig_file("client.key");
    says_and_hears(&config);
    config.ca = rig_file("other_ca.crt");
    SAME(refused(&config, "not signed by the ca"), VERIFY_FAILED);
    config.ca = rig_file("ca.crt");
    /* A key of somebody else's. */
    config.key = rig_file("server.key");
    CHECK(refused(&config, "") < 0);
}
