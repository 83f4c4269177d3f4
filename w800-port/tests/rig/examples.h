/* Included before each example: its configuration, and another name for its main(). */
#ifndef RIG_EXAMPLES_H
#define RIG_EXAMPLES_H

#define CONFIG_EXAMPLE_WIFI_SSID "rig"
#define CONFIG_EXAMPLE_BROKER_URI example_uri()

char *example_uri(void);

int example_tcp(void);
int example_ssl(void);
int example_ws(void);
int example_wss(void);

#endif
