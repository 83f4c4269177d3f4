/* What Kconfig would write; a test program may be compiled with other values. */
#ifndef RIG_WMSDK_CONFIG_H
#define RIG_WMSDK_CONFIG_H

#define CONFIG_CHIP_NAME "W800"
#define CONFIG_LOG_DEFAULT_LEVEL 5
#ifndef CONFIG_WM_EVENT_QUEUE_SIZE
#define CONFIG_WM_EVENT_QUEUE_SIZE 32
#endif

#endif
