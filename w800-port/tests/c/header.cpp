// The headers are C++, too, each by itself.
#include "wm_mqtt_client.h"

#include "wm_mqtt_port.h"

static void on_event(wm_event_group_t, int event, void *data, void *)
{
    if (event == WM_EVENT_MQTT_CLIENT_DATA) {
        wm_mqtt_event_data_t *mqtt = static_cast<wm_mqtt_event_data_t *>(data);
        wm_mqtt_port_free(mqtt->mqtt_client_data_info.topic);
    }
}

int use_them();

int use_them()
{
    wm_mqtt_client_config_t config = wm_mqtt_client_config_t();
    wm_mqtt_client_options_t options = WM_MQTT_CLIENT_OPTIONS_INIT;
    wm_mqtt_client_handle_t client = wm_mqtt_client_init_with(&config, &options, NULL);
    wm_event_add_callback(WM_MQTT_EV, WM_EVENT_ANY_TYPE, on_event, client);
    return wm_mqtt_client_deinit(client);
}
