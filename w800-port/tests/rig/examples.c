/* The examples as scenarios. They never end; who started the program watches what they do, and kills it. */
#include "examples.h"

#include <string.h>

#include "rig.h"

/* What ADD_EMBEDDED_TEXTFILES makes of ca.pem, here the authority of the test's broker. */
extern unsigned char __binary_main_src_ca_pem[16384];
unsigned char __binary_main_src_ca_pem[16384];

char *example_uri(void)
{
    static char uri[128];
    strncpy(uri, rig_setting("URI"), sizeof uri - 1);
    strcpy((char *)__binary_main_src_ca_pem, rig_file("ca.crt"));
    return uri;
}

SCENARIO(tcp)
{
    example_tcp();
}

SCENARIO(ssl)
{
    example_ssl();
}

SCENARIO(ws)
{
    example_ws();
}

SCENARIO(wss)
{
    example_wss();
}
