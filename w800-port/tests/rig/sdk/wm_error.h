#ifndef RIG_WM_ERROR_H
#define RIG_WM_ERROR_H

#define WM_ERR_SUCCESS 0
#define WM_ERR_FAILED (-1)
#define WM_ERR_NO_MEM (-2)
#define WM_ERR_INVALID_PARAM (-3)
#define WM_ERR_BUSY (-4)
#define WM_ERR_TIMEOUT (-5)
#define WM_ERR_NO_INITED (-7)
#define WM_ERR_MQTT_CLIENT_BASE (-5000)

#endif
