/*
 * MQTT over TLS: the server shows a certificate, and is verified before anything is said to it.
 *
 * Others see whether this device is there: a retained message says "online", and the will, which the
 * server publishes if the connection is lost, says "offline".
 *
 * Here the API is called from the callbacks themselves, as the vendor's examples do it. Only connecting
 * is left to a task: it may take half a minute, and all other events of the SDK would wait for it.
 */
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

#define TOPIC_STATUS "w800/example/status"
#define TOPIC_IN "w800/example/command"
#define TOPIC_OUT "w800/example/answer"

#define CONNECT_AGAIN_MS 2000

/* The file ca.pem beside this one, NUL-terminated, by ADD_EMBEDDED_TEXTFILES in ../CMakeLists.txt. */
extern const unsigned char __binary_main_src_ca_pem[];

static SemaphoreHandle_t lost;

static void on_connected(wm_mqtt_client_handle_t client)
{
    int result = wm_mqtt_client_publish(client, TOPIC_STATUS, "online", 0, 1, 1);
    if (result >= 0) {
        result = wm_mqtt_client_subscribe(client, TOPIC_IN, 1);
    }
    wm_log_info("connected; subscribe returns %d", result);
}

static void on_message(wm_mqtt_client_handle_t client, wm_mqtt_event_data_t *data)
{
    char *payload = data->mqtt_client_data_info.payload;
    uint16_t length = data->mqtt_client_data_info.payload_len;
    wm_log_info("received on %s: %u bytes", data->mqtt_client_data_info.topic, (unsigned)length);
    wm_mqtt_client_publish(client, TOPIC_OUT, payload, length, 1, 0);
    free(data->mqtt_client_data_info.topic);
    free(payload);
}

static void on_event(wm_event_group_t group, int event, void *data, void *priv)
{
    (void)group;
    switch (event) {
    case WM_EVENT_MQTT_CLIENT_CONNECTED:
        on_connected(priv);
        break;
    case WM_EVENT_MQTT_CLIENT_DISCONNECTED:
        wm_log_info("disconnected");
        xSemaphoreGive(lost);
        break;
    case WM_EVENT_MQTT_CLIENT_DATA:
        on_message(priv, data);
        break;
    default:
        break;
    }
}

int main(void)
{
    wm_mqtt_client_config_t config = {0};
    wm_mqtt_client_handle_t client;
    char reason[96];

    network_up();
    clock_set();

    config.uri = CONFIG_EXAMPLE_BROKER_URI;
    config.auth_mode = WM_MQTT_CLIENT_AUTH_MODE_AUTH_SERVER_CERT;
    config.ca = (char *)__binary_main_src_ca_pem;
    config.clean_session = 1;
    config.will_topic = TOPIC_STATUS;
    config.will_msg = "offline";
    config.will_qos = 1;
    config.will_retain = 1;
    client = wm_mqtt_client_init(&config);
    lost = xSemaphoreCreateBinary();
    if (client == NULL || lost == NULL) {
        wm_mqtt_client_last_error(NULL, reason, sizeof reason);
        wm_log_error("no client: %s", reason);
        return -1;
    }
    wm_event_add_callback(WM_MQTT_EV, WM_EVENT_ANY_TYPE, on_event, client);

    for (;;) {
        if (wm_mqtt_client_connect(client) == WM_MQTT_CLIENT_ERROR_SUCCESS) {
            xSemaphoreTake(lost, portMAX_DELAY);
        } else {
            int error = wm_mqtt_client_last_error(client, reason, sizeof reason);
            wm_log_error("cannot connect: %d, %s", error, reason);
        }
        vTaskDelay(pdMS_TO_TICKS(CONNECT_AGAIN_MS));
    }
}
