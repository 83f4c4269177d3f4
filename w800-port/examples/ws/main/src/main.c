/*
 * MQTT over WebSocket, with a session that outlives connections.
 *
 * The client connects again by itself, which is one of the options that the vendor's client does not
 * have. As clean_session is 0, the server keeps what arrives meanwhile, and what is published at QoS 1
 * is sent again until the server has it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "wm_event.h"
#include "wm_mqtt_client.h"
#include "wmsdk_config.h"

#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#include "board.h"

#define LOG_TAG "example"
#include "wm_log.h"

#define TOPIC_OUT "w800/example/count"
#define TOPIC_IN "w800/example/command"

#define PUBLISH_EVERY_MS 5000
#define CONNECT_AGAIN_MS 2000

static void on_event(wm_event_group_t group, int event, void *data, void *priv)
{
    wm_mqtt_event_data_t *mqtt = data;
    (void)group;
    switch (event) {
    case WM_EVENT_MQTT_CLIENT_CONNECTED:
        /* The server may have lost the session, and no harm is done if it has not. */
        wm_log_info("connected; subscribe returns %d", wm_mqtt_client_subscribe(priv, TOPIC_IN, 1));
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
    case WM_EVENT_MQTT_CLIENT_PUBLISHED:
        wm_log_info("the server has message %d", mqtt->mqtt_client_published_info.msg_id);
        break;
    case WM_EVENT_MQTT_CLIENT_LOST:
        wm_log_warn("message %d is lost", mqtt->mqtt_client_published_info.msg_id);
        break;
    default:
        break;
    }
}

int main(void)
{
    wm_mqtt_client_config_t config = {0};
    wm_mqtt_client_options_t options = WM_MQTT_CLIENT_OPTIONS_INIT;
    wm_mqtt_client_handle_t client;
    unsigned long count = 0;
    int result;

    network_up();

    config.uri = CONFIG_EXAMPLE_BROKER_URI;
    options.auto_reconnect = 1;
    client = wm_mqtt_client_init_with(&config, &options, &result);
    if (client == NULL) {
        wm_log_error("no client: %d", result);
        return -1;
    }
    wm_event_add_callback(WM_MQTT_EV, WM_EVENT_ANY_TYPE, on_event, client);

    /* Reconnecting begins when there has been a connection. */
    while ((result = wm_mqtt_client_connect(client)) != WM_MQTT_CLIENT_ERROR_SUCCESS) {
        wm_log_error("cannot connect: %d", result);
        vTaskDelay(pdMS_TO_TICKS(CONNECT_AGAIN_MS));
    }

    for (;;) {
        char text[24];
        snprintf(text, sizeof text, "%lu", count);
        result = wm_mqtt_client_publish(client, TOPIC_OUT, text, 0, 1, 0);
        if (result >= 0) {
            count++;
        } else if (result != WM_MQTT_CLIENT_ERROR_DISCONNECTED) {
            wm_log_error("cannot publish: %d", result);
        }
        vTaskDelay(pdMS_TO_TICKS(PUBLISH_EVERY_MS));
    }
}
