#ifndef RIG_WM_DRV_RNG_H
#define RIG_WM_DRV_RNG_H

#include "wm_types.h"

int wm_drv_fill_random(void *buffer, uint32_t length);

#endif
