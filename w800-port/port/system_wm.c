/* Memory, random numbers, the station's address, the log. */
#include "network.h"

#include <stdlib.h>

#include "wm_drv_rng.h"
#include "wm_error.h"
#include "wm_utils.h"
#include "wmsdk_config.h"

#define LOG_TAG "mqtt"
#include "wm_log.h"

/* ---- Memory: malloc, as applications free() what comes with DATA ---- */

void *wm_mqtt_port_alloc(size_t size)
{
    return malloc(size);
}

void wm_mqtt_port_free(void *memory)
{
    free(memory);
}

/* ---- Random numbers: the hardware's, not rand(), which begins the same after each reset ---- */

int wm_mqtt_entropy(void *buf, size_t size)
{
    return wm_drv_fill_random(buf, (uint32_t)size) == WM_ERR_SUCCESS ? 0 : -1;
}

void wm_mqtt_port_random(void *buf, size_t size)
{
    if (wm_mqtt_entropy(buf, size) != 0) {
        /* Good enough for what is not secret; TLS refuses to work without the real ones. */
        uint8_t *next = buf;
        while (size-- > 0) {
            *next++ = (uint8_t)(rand() >> 7);
        }
    }
}

/* ---- Identity ---- */

int wm_mqtt_port_mac(uint8_t mac[6])
{
    return wm_sys_get_mac_addr(WM_MAC_TYPE_STA, mac, 6) == WM_ERR_SUCCESS ? 0 : -1;
}

/* ---- Log ---- */

void wm_mqtt_port_log(int level, const char *text)
{
    if (level > CONFIG_WM_MQTT_LOG_LEVEL) {
        return;
    }
    if (level == WM_MQTT_PORT_LOG_ERROR) {
        wm_log_error("%s", text);
    } else if (level == WM_MQTT_PORT_LOG_INFO) {
        wm_log_info("%s", text);
    } else {
        wm_log_debug("%s", text);
    }
}
