/* What Kconfig has decided. */
#include "wm_mqtt_port.h"

#include "wmsdk_config.h"

const wm_mqtt_port_settings_t wm_mqtt_port_settings = {
    CONFIG_CHIP_NAME,
    CONFIG_WM_MQTT_RX_SIZE,
    CONFIG_WM_MQTT_TX_SIZE,
    CONFIG_WM_MQTT_MAX_MESSAGE,
    CONFIG_WM_MQTT_WINDOW,
    CONFIG_WM_MQTT_EVENTS,
#ifdef CONFIG_WM_MQTT_TLS
    1,
#else
    0,
#endif
};
