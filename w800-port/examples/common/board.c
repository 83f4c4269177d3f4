#include "board.h"

#include <stddef.h>

#include "wm_error.h"
#include "wm_nm_api.h"
#include "wmsdk_config.h"

#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "lwip/apps/wm_sntp.h"

#define LOG_TAG "example"
#include "wm_log.h"

/* Kconfig has none for an open network. */
#ifndef CONFIG_EXAMPLE_WIFI_PASSWORD
#define CONFIG_EXAMPLE_WIFI_PASSWORD NULL
#endif

void network_up(void)
{
    wm_nm_wifi_station_cfg_t station = {CONFIG_EXAMPLE_WIFI_SSID, CONFIG_EXAMPLE_WIFI_PASSWORD};
    int result = wm_nm_start_wifi_station(&station);
    if (result != WM_ERR_SUCCESS) {
        wm_log_error("Wi-Fi does not start: %d", result);
    }
    while (wm_nm_get_wifi_station_state() != WM_NM_WIFI_STA_GOT_IP) {
        vTaskDelay(pdMS_TO_TICKS(100));
    }
    wm_log_info("the network is there");
}

void clock_set(void)
{
    wm_sntp_start();
    while (wm_get_time_sync(pdMS_TO_TICKS(30000)) == NULL) {
        wm_log_warn("no answer of a time server yet");
        vTaskDelay(pdMS_TO_TICKS(1000));
    }
    wm_log_info("the clock is set");
}
