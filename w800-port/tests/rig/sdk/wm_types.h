#ifndef RIG_WM_TYPES_H
#define RIG_WM_TYPES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define WM_INVALID_HANDLE ((void *)0)

#endif
