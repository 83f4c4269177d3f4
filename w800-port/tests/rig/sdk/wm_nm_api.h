/* The SDK's network manager: a station that has its address at once. */
#ifndef RIG_WM_NM_API_H
#define RIG_WM_NM_API_H

#include "wm_types.h"

typedef struct {
    const char *ssid;
    const char *password;
} wm_nm_wifi_station_cfg_t;

typedef enum {
    WM_NM_INIT,
    WM_NM_WIFI_STA_CONNECTING,
    WM_NM_WIFI_STA_CONNECTED,
    WM_NM_WIFI_STA_DISCONNECTED,
    WM_NM_WIFI_STA_GOT_IP
} wm_nm_state_e;

int wm_nm_start_wifi_station(wm_nm_wifi_station_cfg_t *station);
wm_nm_state_e wm_nm_get_wifi_station_state(void);

#endif
