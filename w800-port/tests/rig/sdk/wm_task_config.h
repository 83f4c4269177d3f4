#ifndef RIG_WM_TASK_CONFIG_H
#define RIG_WM_TASK_CONFIG_H

#include "freertos/FreeRTOS.h"

#define WM_TASK_EVENT_PRIO (configMAX_PRIORITIES - 6)
#define WM_TASK_EVENT_STACK (2048)
#define WM_TASK_TCPIP_PRIO (configMAX_PRIORITIES - 5)
#define WM_TASK_TCPIP_STACK (4096)

#endif
