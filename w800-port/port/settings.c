/* What Kconfig has decided. */
#include "wm_mqtt_port.h"

#include "wmsdk_config.h"

#ifndef CONFIG_WM_MQTT_RX_SIZE
#define CONFIG_WM_MQTT_RX_SIZE 2048
#endif
#ifndef CONFIG_WM_MQTT_TX_SIZE
#define CONFIG_WM_MQTT_TX_SIZE 4096
#endif
#ifndef CONFIG_WM_MQTT_MAX_MESSAGE
#define CONFIG_WM_MQTT_MAX_MESSAGE 65535
#endif
#ifndef CONFIG_WM_MQTT_WINDOW
#define CONFIG_WM_MQTT_WINDOW 8
#endif
#ifndef CONFIG_WM_MQTT_EVENTS
#define CONFIG_WM_MQTT_EVENTS 8
#endif

const wm_mqtt_port_settings_t wm_mqtt_port_settings = {
    CONFIG_CHIP_NAME,
    CONFIG_WM_MQTT_RX_SIZE,
    CONFIG_WM_MQTT_TX_SIZE,
    CONFIG_WM_MQTT_MAX_MESSAGE,
    CONFIG_WM_MQTT_WINDOW,
    CONFIG_WM_MQTT_EVENTS,
    1,
};
