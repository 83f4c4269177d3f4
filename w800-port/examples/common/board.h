/* What every example needs before it can connect. */
#ifndef EXAMPLE_BOARD_H
#define EXAMPLE_BOARD_H

/* Joins the Wi-Fi network of the configuration, and returns when there is an IP address. */
void network_up(void);

/* Sets the clock by SNTP, and returns when it is right: certificates have dates. */
void clock_set(void);

#endif
