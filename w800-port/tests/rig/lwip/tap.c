/*
 * The chip's network: lwIP over the tap device `tap0` of the network namespace that the program runs
 * in. The chip is 10.89.0.2; the other end of the cable, with broker and name server, is 10.89.0.1.
 */
#define _GNU_SOURCE
#include "rig.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/ip.h"
#include "lwip/tcpip.h"

static struct netif chip;
static int tap;

static err_t send_frame(struct netif *netif, struct pbuf *frame)
{
    char bytes[2048];
    u16_t length = pbuf_copy_partial(frame, bytes, sizeof bytes, 0);
    (void)netif;
    /* With the cable out this fails, and the frame is lost, as it would be. */
    if (write(tap, bytes, length) < 0) {
        return ERR_IF;
    }
    return ERR_OK;
}

static void *receive_frames(void *unused)
{
    char bytes[2048];
    for (;;) {
        ssize_t length = read(tap, bytes, sizeof bytes);
        struct pbuf *frame;
        if (length <= 0) {
            usleep(1000);
            continue;
        }
        frame = pbuf_alloc(PBUF_RAW, (u16_t)length, PBUF_POOL);
        if (frame != NULL) {
            pbuf_take(frame, bytes, (u16_t)length);
            if (chip.input(frame, &chip) != ERR_OK) {
                pbuf_free(frame);
            }
        }
    }
    return unused;
}

static err_t init(struct netif *netif)
{
    static const u8_t address[ETH_HWADDR_LEN] = {0x28, 0x6d, 0xce, 0x29, 0x31, 0x5f};
    memcpy(netif->hwaddr, address, sizeof address);
    netif->hwaddr_len = ETH_HWADDR_LEN;
    netif->name[0] = 'w';
    netif->name[1] = 'l';
    netif->mtu = 1500;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    return ERR_OK;
}

static void start(void *started)
{
    ip4_addr_t address, mask, other;
    IP4_ADDR(&address, 10, 89, 0, 2);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&other, 10, 89, 0, 1);
    netif_add(&chip, &address, &mask, &other, NULL, init, tcpip_input);
    netif_set_default(&chip);
    netif_set_up(&chip);
    dns_setserver(0, &other);
    sys_sem_signal(started);
}

void rig_network_up(void)
{
    struct ifreq request;
    pthread_t thread;
    sys_sem_t started;

    memset(&request, 0, sizeof request);
    strcpy(request.ifr_name, "tap0");
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    tap = open("/dev/net/tun", O_RDWR);
    CHECK(tap >= 0 && ioctl(tap, TUNSETIFF, &request) == 0);

    sys_sem_new(&started, 0);
    tcpip_init(start, &started);
    sys_arch_sem_wait(&started, 0);
    sys_sem_free(&started);
    CHECK(pthread_create(&thread, NULL, receive_frames, NULL) == 0);
    pthread_detach(thread);
}
