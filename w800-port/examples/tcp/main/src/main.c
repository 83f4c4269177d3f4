/*
 * MQTT over TCP, with nothing but the vendor's functions.
 *
 * This task connects, subscribes, and publishes every few seconds. Callbacks run on the SDK's event
 * task: they take received messages, and tell this task when the connection is lost, so that it
 * connects again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "wm_event.h"
#include "wm_mqtt_client.h"
#include "wmsdk_config.h"

#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"

#include "board.h"

#define LOG_TAG "example"
#include "wm_log.h"

#define TOPIC_OUT "w800/example/uptime"
#define TOPIC_IN "w800/example/command"

#define PUBLISH_EVERY_MS 5000
#define CONNECT_AGAIN_MS 2000

static SemaphoreHandle_t lost;

static void on_message(wm_mqtt_event_data_t *data)
{
    wm_log_info("received on %s: %.*s", data->mqtt_client_data_info.topic,
                (int)data->mqtt_client_data_info.payload_len,
                data->mqtt_client_data_info.payload != NULL ? data->mqtt_client_data_info.payload : "");
    /* Both belong to the application. */
    free(data->mqtt_client_data_info.topic);
    free(data->mqtt_client_data_info.payload);
}

static void on_event(wm_event_group_t group, int event, void *data, void *priv)
{
    (void)group;
    (void)priv;
    switch (event) {
    case WM_EVENT_MQTT_CLIENT_CONNECTED:
        wm_log_info("connected");
        break;
    case WM_EVENT_MQTT_CLIENT_DISCONNECTED:
        wm_log_info("disconnected");
        xSemaphoreGive(lost);
        break;
    case WM_EVENT_MQTT_CLIENT_DATA:
        on_message(data);
        break;
    case WM_EVENT_MQTT_CLIENT_PUBLISHED:
        wm_log_info("the server has message %d",
                    ((wm_mqtt_event_data_t *)data)->mqtt_client_published_info.msg_id);
        break;
    default:
        break;
    }
}

/* For as long as the connection is there. */
static void talk(wm_mqtt_client_handle_t client)
{
    char text[24];
    int result = wm_mqtt_client_subscribe(client, TOPIC_IN, 1);
    if (result < 0) {
        wm_log_error("cannot subscribe: %d", result);
    }
    do {
        snprintf(text, sizeof text, "%lu s", (unsigned long)(xTaskGetTickCount() / configTICK_RATE_HZ));
        result = wm_mqtt_client_publish(client, TOPIC_OUT, text, 0, 1, 0);
        if (result < 0) {
            wm_log_error("cannot publish: %d", result);
        }
    } while (xSemaphoreTake(lost, pdMS_TO_TICKS(PUBLISH_EVERY_MS)) != pdTRUE);
}

int main(void)
{
    wm_mqtt_client_config_t config = {0};
    wm_mqtt_client_handle_t client;

    network_up();

    config.uri = CONFIG_EXAMPLE_BROKER_URI;
    config.clean_session = 1;
    client = wm_mqtt_client_init(&config);
    lost = xSemaphoreCreateBinary();
    if (client == NULL || lost == NULL) {
        wm_log_error("no client: is the URI right?");
        return -1;
    }
    wm_event_add_callback(WM_MQTT_EV, WM_EVENT_ANY_TYPE, on_event, NULL);

    for (;;) {
        int result = wm_mqtt_client_connect(client);
        if (result == WM_MQTT_CLIENT_ERROR_SUCCESS) {
            talk(client);
        } else {
            wm_log_error("cannot connect: %d", result);
        }
        vTaskDelay(pdMS_TO_TICKS(CONNECT_AGAIN_MS));
    }
}
