/* The SDK's SNTP client: the host's clock is right. */
#ifndef RIG_WM_SNTP_H
#define RIG_WM_SNTP_H

#include <time.h>

void wm_sntp_start(void);
struct tm *wm_get_time_sync(int ticks);

#endif
