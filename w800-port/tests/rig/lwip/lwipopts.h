/* lwIP as the SDK has it by default, as far as it matters for TCP and DNS over IPv4. */
#ifndef RIG_LWIPOPTS_H
#define RIG_LWIPOPTS_H

#define NO_SYS 0
#define SYS_LIGHTWEIGHT_PROT 1
#define LWIP_COMPAT_MUTEX 1
#define LWIP_COMPAT_MUTEX_ALLOWED 1

#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
/* The SDK's is 4; 64-bit code needs 8. */
#define MEM_ALIGNMENT 8

#define LWIP_SOCKET 1
#define LWIP_NETCONN 1
#define LWIP_COMPAT_SOCKETS 0
#define LWIP_POSIX_SOCKETS_IO_NAMES 0
#define LWIP_TIMEVAL_PRIVATE 0
#define LWIP_SOCKET_OFFSET 1
#define LWIP_SO_LINGER 1
#define LWIP_SO_RCVTIMEO 1
#define LWIP_SO_RCVBUF 1
#define LWIP_SO_SNDTIMEO 1
#define LWIP_TCP_KEEPALIVE 1
#define SO_REUSE 1
#define TCP_LISTEN_BACKLOG 1

#define MEMP_NUM_NETCONN 8
#define LWIP_NETCONN_FULLDUPLEX 1
#define LWIP_NETCONN_SEM_PER_THREAD 1
#define LWIP_NETCONN_THREAD_SEM_GET() rig_thread_semaphore()
#define LWIP_NETCONN_THREAD_SEM_ALLOC()
#define LWIP_NETCONN_THREAD_SEM_FREE()

#ifndef LWIP_TCPIP_CORE_LOCKING
#define LWIP_TCPIP_CORE_LOCKING 0
#endif
#define LWIP_TCPIP_CORE_LOCKING_INPUT 0
#define LWIP_ALLOW_MEM_FREE_FROM_OTHER_CONTEXT 0
#define TCPIP_THREAD_STACKSIZE 4096
#define TCPIP_THREAD_PRIO 11
#define TCPIP_MBOX_SIZE 32
#define DEFAULT_TCP_RECVMBOX_SIZE 10
#define DEFAULT_UDP_RECVMBOX_SIZE 6
#define DEFAULT_ACCEPTMBOX_SIZE 5

#define TCP_MSS 1460
#define TCP_WND (8 * TCP_MSS)
#define TCP_SND_BUF (6 * TCP_MSS)
#define TCP_SND_QUEUELEN 30
#define MEMP_NUM_TCP_SEG 32
#define TCP_MSL 2000UL
#define TCP_MAXRTX 3
#define TCP_SYNMAXRTX 4

#define LWIP_DNS 1
#define LWIP_IPV4 1
/* Other systems have it otherwise: `make options`. */
#ifndef LWIP_IPV6
#define LWIP_IPV6 0
#endif
#define LWIP_DHCP 0
#define LWIP_ARP 1
#define ARP_QUEUEING 1
#define LWIP_HAVE_LOOPIF 0
#define LWIP_STATS 0
#define LWIP_RAND() ((u32_t)rand())
#define LWIP_NO_INTTYPES_H 0

#include "arch/sys_arch.h"

#endif
