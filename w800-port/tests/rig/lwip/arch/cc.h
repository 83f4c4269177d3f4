#ifndef RIG_CC_H
#define RIG_CC_H

#include <stdio.h>
#include <stdlib.h>

#ifndef BYTE_ORDER
#define BYTE_ORDER LITTLE_ENDIAN
#endif
#define LWIP_ERRNO_STDINCLUDE 1
#define LWIP_PLATFORM_DIAG(x) do { printf x; } while (0)
#define LWIP_PLATFORM_ASSERT(x) \
    do { \
        fprintf(stderr, "lwIP: %s (%s:%d)\n", x, __FILE__, __LINE__); \
        abort(); \
    } while (0)

#endif
