#ifndef RIG_WM_LOG_H
#define RIG_WM_LOG_H

#include "wmsdk_config.h"

#ifndef LOG_TAG
#define LOG_TAG "NO_TAG"
#endif

typedef enum {
    WM_LOG_LEVEL_NONE,
    WM_LOG_LEVEL_ERROR,
    WM_LOG_LEVEL_WARN,
    WM_LOG_LEVEL_INFO,
    WM_LOG_LEVEL_DEBUG,
    WM_LOG_LEVEL_VERBOSE
} wm_log_level_t;

int wm_log_printf(wm_log_level_t level, const char *tag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The SDK's end with GNU's `, ##__VA_ARGS__`, which is not C99. */
#define wm_log_error(...) wm_log_printf(WM_LOG_LEVEL_ERROR, LOG_TAG, __VA_ARGS__)
#define wm_log_warn(...) wm_log_printf(WM_LOG_LEVEL_WARN, LOG_TAG, __VA_ARGS__)
#define wm_log_info(...) wm_log_printf(WM_LOG_LEVEL_INFO, LOG_TAG, __VA_ARGS__)
#define wm_log_debug(...) wm_log_printf(WM_LOG_LEVEL_DEBUG, LOG_TAG, __VA_ARGS__)

#endif
