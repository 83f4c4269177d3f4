/* Events: the SDK's event bus. Its wm_event_send() copies the data and never waits. */
#include "wm_mqtt_port.h"

#include "wm_event.h"

WM_EVENT_DEFINE_GROUP(WM_MQTT_EV);

int wm_mqtt_port_event(int event, const wm_mqtt_event_data_t *data)
{
    return wm_event_send(WM_MQTT_EV, event, (void *)(uintptr_t)data, data != NULL ? sizeof *data : 0);
}
