/*
 * MQTT 5.0 over WebSocket and TLS: what passes where only HTTPS does.
 *
 * The server is verified. If it wants to verify the device, too, put the device's certificate and key
 * beside ca.pem, embed them in the same way, and set cert, key and
 * WM_MQTT_CLIENT_AUTH_MODE_MUTUAL_AUTH.
 *
 * A report is published that is larger than the client's buffers: it is sent from where it lies.
 */
#include <stdlib.h>
#include <string.h>

#include "wm_event.h"
#include "wm_mqtt_client.h"
#include "wmsdk_config.h"

#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#include "board.h"

#define LOG_TAG "example"
#include "wm_log.h"

#define TOPIC_ALL "w800/example/#"
#define TOPIC_OUT "w800/example/report"
#define REPORT_BYTES 20000

#define REPORT_EVERY_MS 60000
#define CONNECT_AGAIN_MS 2000

/* The file ca.pem beside this one, NUL-terminated, by ADD_EMBEDDED_TEXTFILES in ../CMakeLists.txt. */
extern const unsigned char __binary_main_src_ca_pem[];

static void on_event(wm_event_group_t group, int event, void *data, void *priv)
{
    wm_mqtt_event_data_t *mqtt = data;
    (void)group;
    switch (event) {
    case WM_EVENT_MQTT_CLIENT_CONNECTED:
        /* Not what this client publishes itself. */
        wm_log_info("connected; subscribe returns %d",
                    wm_mqtt_client_subscribe_with(priv, TOPIC_ALL, 1, WM_MQTT_CLIENT_NO_LOCAL));
        break;
    case WM_EVENT_MQTT_CLIENT_DISCONNECTED:
        wm_log_info("disconnected, the client will connect again");
        break;
    case WM_EVENT_MQTT_CLIENT_DATA:
        wm_log_info("received on %s: %u bytes", mqtt->mqtt_client_data_info.topic,
                    (unsigned)mqtt->mqtt_client_data_info.payload_len);
        free(mqtt->mqtt_client_data_info.topic);
        free(mqtt->mqtt_client_data_info.payload);
        break;
    default:
        break;
    }
}

static void report(wm_mqtt_client_handle_t client)
{
    char reason[96];
    int result;
    char *text = malloc(REPORT_BYTES);
    if (text == NULL) {
        wm_log_error("no memory for the report");
        return;
    }
    memset(text, '.', REPORT_BYTES);
    result = wm_mqtt_client_publish_large(client, TOPIC_OUT, 0, text, REPORT_BYTES, 1, 0);
    free(text);
    if (result < 0) {
        wm_mqtt_client_last_error(client, reason, sizeof reason);
        wm_log_error("cannot publish: %d, %s", result, reason);
    } else {
        wm_log_info("the server has the report");
    }
}

int main(void)
{
    wm_mqtt_client_config_t config = {0};
    wm_mqtt_client_options_t options = WM_MQTT_CLIENT_OPTIONS_INIT;
    wm_mqtt_client_handle_t client;
    char reason[96];
    int result;

    network_up();
    clock_set();

    config.uri = CONFIG_EXAMPLE_BROKER_URI;
    config.auth_mode = WM_MQTT_CLIENT_AUTH_MODE_AUTH_SERVER_CERT;
    config.ca = (char *)__binary_main_src_ca_pem;
    options.mqtt_version = 5;
    options.auto_reconnect = 1;
    options.session_expiry = 3600;
    client = wm_mqtt_client_init_with(&config, &options, &result);
    if (client == NULL) {
        wm_log_error("no client: %d", result);
        return -1;
    }
    wm_event_add_callback(WM_MQTT_EV, WM_EVENT_ANY_TYPE, on_event, client);

    /* Reconnecting begins when there has been a connection. */
    while ((result = wm_mqtt_client_connect(client)) != WM_MQTT_CLIENT_ERROR_SUCCESS) {
        wm_mqtt_client_last_error(client, reason, sizeof reason);
        wm_log_error("cannot connect: %d, %s", result, reason);
        vTaskDelay(pdMS_TO_TICKS(CONNECT_AGAIN_MS));
    }

    for (;;) {
        report(client);
        vTaskDelay(pdMS_TO_TICKS(REPORT_EVERY_MS));
    }
}
