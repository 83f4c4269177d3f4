#ifndef RIG_WM_UTILS_H
#define RIG_WM_UTILS_H

#include "wm_types.h"

#define WM_MAC_ADDR_LEN (6)

typedef enum { WM_MAC_TYPE_STA = 0, WM_MAC_TYPE_SAP, WM_MAC_TYPE_BT, WM_MAC_TYPE_MAX } wm_mac_type_t;

int wm_sys_get_mac_addr(wm_mac_type_t type, uint8_t *address, uint8_t length);

#endif
