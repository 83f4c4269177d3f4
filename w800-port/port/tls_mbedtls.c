/*
 * TLS with mbedTLS: 3.4, which the SDK has, and what is compatible with it from 2.28 to 3.6.
 *
 * Keys come from the hardware's random numbers through mbedTLS' generator; the SDK's own entropy source
 * is rand(). The handshake is a series of steps that never wait for the network.
 */
#include "network.h"

#include <stdio.h>
#include <string.h>

#include "mbedtls/ctr_drbg.h"
#include "mbedtls/error.h"
#include "mbedtls/pk.h"
#include "mbedtls/ssl.h"
#include "mbedtls/version.h"
#include "mbedtls/x509_crt.h"

#if defined(MBEDTLS_USE_PSA_CRYPTO) || defined(MBEDTLS_SSL_PROTO_TLS1_3)
#include "psa/crypto.h"
#define NEEDS_PSA
#endif
#if !defined(MBEDTLS_PRIVATE)
#define MBEDTLS_PRIVATE(member) member
#endif

struct wm_mqtt_tls {
    struct wm_mqtt_net *net;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt ca;
    mbedtls_x509_crt cert;
    mbedtls_pk_context key;
    int broken;         /* why it could not be set up; the first step tells */
    size_t unsent;      /* bytes of a record that was taken, but is not with the stack in full */
    int below;          /* the network's error, which mbedTLS has no code for */
    const char *reason; /* NULL: mbedTLS' words, in `words`, if any */
    char words[96];
};

/* ---- What mbedTLS asks for ---- */

static int entropy(void *unused, unsigned char *buf, size_t size)
{
    (void)unused;
    return wm_mqtt_entropy(buf, size) == 0 ? 0 : MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
}

static int send_bytes(void *context, const unsigned char *buf, size_t size)
{
    struct wm_mqtt_tls *tls = context;
    int result = wm_mqtt_net_write(tls->net, buf, size);
    if (result < 0) {
        tls->below = result;
        return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    }
    return result == 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : result;
}

static int receive_bytes(void *context, unsigned char *buf, size_t size)
{
    struct wm_mqtt_tls *tls = context;
    int result = wm_mqtt_net_read(tls->net, buf, size);
    if (result < 0) {
        tls->below = result;
        return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    }
    return result == 0 ? MBEDTLS_ERR_SSL_WANT_READ : result;
}

/* ---- Errors ---- */

static int would_wait(int error)
{
    return error == MBEDTLS_ERR_SSL_WANT_READ || error == MBEDTLS_ERR_SSL_WANT_WRITE
#if defined(MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
           || error == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
#endif
        ;
}

/* Why the server was not believed, the first reason that applies. */
static const char *distrust(uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *words;
    } reasons[] = {
        {MBEDTLS_X509_BADCERT_EXPIRED, "the server's certificate has expired"},
        {MBEDTLS_X509_BADCERT_FUTURE, "the server's certificate is not valid yet; is the clock set?"},
        {MBEDTLS_X509_BADCERT_CN_MISMATCH, "the server's certificate is for another host name"},
        {MBEDTLS_X509_BADCERT_NOT_TRUSTED, "the server's certificate is not signed by the ca"},
        {MBEDTLS_X509_BADCERT_BAD_KEY, "the server's key is too short, or of a kind not allowed"},
        {MBEDTLS_X509_BADCERT_BAD_MD, "the server's certificate is signed with a hash not allowed"},
        {MBEDTLS_X509_BADCERT_BAD_PK, "the server's certificate is signed with a key not allowed"},
    };
    size_t i;
    for (i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if ((flags & reasons[i].flag) != 0) {
            return reasons[i].words;
        }
    }
    return "the server's certificate is not valid";
}

/* The error of wm_mqtt_port.h for one of mbedTLS, with its reason noted. */
static int failed(struct wm_mqtt_tls *tls, int error, const char *what)
{
    if (tls->below != 0) {
        return tls->below;
    }
    if (error == MBEDTLS_ERR_SSL_ALLOC_FAILED || error == MBEDTLS_ERR_X509_ALLOC_FAILED ||
        error == MBEDTLS_ERR_PK_ALLOC_FAILED) {
        return WM_MQTT_PORT_ERROR_MEMORY;
    }
    if (error == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED) {
        tls->reason = distrust(mbedtls_ssl_get_verify_result(&tls->ssl));
    } else {
        snprintf(tls->words, sizeof tls->words, "%s: TLS error -0x%04x", what, (unsigned)-error);
#if defined(MBEDTLS_ERROR_C)
        {
            size_t length = strlen(tls->words);
            snprintf(tls->words + length, sizeof tls->words - length, ", ");
            mbedtls_strerror(error, tls->words + length + 2, sizeof tls->words - length - 2);
        }
#endif
    }
    return WM_MQTT_PORT_ERROR_TLS(error);
}

const char *wm_mqtt_tls_reason(struct wm_mqtt_tls *tls)
{
    if (tls->reason == NULL && tls->words[0] != '\0') {
        return tls->words;
    }
    return tls->reason;
}

/* ---- Setting up ---- */

static int parse(struct wm_mqtt_tls *tls, const wm_mqtt_port_target_t *target)
{
    int error;
    if (target->ca != NULL) {
        error = mbedtls_x509_crt_parse(&tls->ca, (const unsigned char *)target->ca,
                                       strlen(target->ca) + 1);
        if (error != 0) {
            /* > 0: so many of several certificates cannot be read. */
            return failed(tls, error > 0 ? MBEDTLS_ERR_X509_INVALID_FORMAT : error, "ca");
        }
        mbedtls_ssl_conf_ca_chain(&tls->config, &tls->ca, NULL);
    }
    if (target->cert != NULL) {
        error = mbedtls_x509_crt_parse(&tls->cert, (const unsigned char *)target->cert,
                                       strlen(target->cert) + 1);
        if (error != 0) {
            return failed(tls, error > 0 ? MBEDTLS_ERR_X509_INVALID_FORMAT : error, "cert");
        }
        error = mbedtls_pk_parse_key(&tls->key, (const unsigned char *)target->key,
                                     strlen(target->key) + 1, NULL, 0
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
                                     ,
                                     mbedtls_ctr_drbg_random, &tls->random
#endif
        );
        if (error == 0) {
            error = mbedtls_ssl_conf_own_cert(&tls->config, &tls->cert, &tls->key);
        }
        if (error != 0) {
            return failed(tls, error, "key");
        }
    }
    return 0;
}

static int set_up(struct wm_mqtt_tls *tls, const wm_mqtt_port_target_t *target)
{
    int error;
#if defined(NEEDS_PSA)
    if (psa_crypto_init() != PSA_SUCCESS) {
        return WM_MQTT_PORT_ERROR_NETWORK;
    }
#endif
    error = mbedtls_ctr_drbg_seed(&tls->random, entropy, NULL, NULL, 0);
    if (error != 0) {
        return failed(tls, error, "no random numbers");
    }
    error = mbedtls_ssl_config_defaults(&tls->config, MBEDTLS_SSL_IS_CLIENT,
                                        MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (error != 0) {
        return failed(tls, error, "TLS");
    }
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    mbedtls_ssl_conf_min_version(&tls->config, MBEDTLS_SSL_MAJOR_VERSION_3,
                                 MBEDTLS_SSL_MINOR_VERSION_3);
#endif
    mbedtls_ssl_conf_rng(&tls->config, mbedtls_ctr_drbg_random, &tls->random);
    mbedtls_ssl_conf_authmode(&tls->config, target->verify ? MBEDTLS_SSL_VERIFY_REQUIRED
                                                           : MBEDTLS_SSL_VERIFY_NONE);
    error = parse(tls, target);
    if (error != 0) {
        return error;
    }
#if defined(MBEDTLS_SSL_ALPN)
    if (target->alpn != NULL) {
        error = mbedtls_ssl_conf_alpn_protocols(&tls->config, (const char **)(uintptr_t)target->alpn);
        if (error != 0) {
            return failed(tls, error, "alpn");
        }
    }
#endif
    error = mbedtls_ssl_setup(&tls->ssl, &tls->config);
    if (error == 0) {
        error = mbedtls_ssl_set_hostname(&tls->ssl, target->host);
    }
    if (error != 0) {
        return failed(tls, error, "TLS");
    }
    mbedtls_ssl_set_bio(&tls->ssl, tls, send_bytes, receive_bytes, NULL);
    return 0;
}

struct wm_mqtt_tls *wm_mqtt_tls_open(const wm_mqtt_port_target_t *target, struct wm_mqtt_net *net)
{
    struct wm_mqtt_tls *tls = wm_mqtt_port_alloc(sizeof *tls);
    if (tls == NULL) {
        return NULL;
    }
    memset(tls, 0, sizeof *tls);
    tls->net = net;
    mbedtls_ssl_init(&tls->ssl);
    mbedtls_ssl_config_init(&tls->config);
    mbedtls_ctr_drbg_init(&tls->random);
    mbedtls_x509_crt_init(&tls->ca);
    mbedtls_x509_crt_init(&tls->cert);
    mbedtls_pk_init(&tls->key);
    tls->broken = set_up(tls, target);
    return tls;
}

/* ---- Using it ---- */

int wm_mqtt_tls_broken(const struct wm_mqtt_tls *tls)
{
    return tls->broken;
}

int wm_mqtt_tls_step(struct wm_mqtt_tls *tls)
{
    int error = mbedtls_ssl_handshake(&tls->ssl);
    if (error == 0) {
        return 1;
    }
    if (tls->below == WM_MQTT_PORT_ERROR_RESET || tls->below == WM_MQTT_PORT_ERROR_END) {
        /* It has said why, but who closes with bytes unread takes back what it said last. */
        tls->reason = "the server ended the TLS handshake; does it want the client's certificate?";
    }
    return would_wait(error) ? 0 : failed(tls, error, "handshake");
}

/* Sends what is left of the last record: 1 nothing is, 0 it has to wait, < 0 an error. mbedTLS wants to
   be called as before, and does not look at the bytes again, as long as it has output left. */
static int flush(struct wm_mqtt_tls *tls)
{
    int result;
    if (tls->ssl.MBEDTLS_PRIVATE(out_left) == 0) {
        tls->unsent = 0;
    }
    if (tls->unsent == 0) {
        return 1;
    }
    result = mbedtls_ssl_write(&tls->ssl, (const unsigned char *)"", tls->unsent);
    if (result < 0) {
        return would_wait(result) ? 0 : failed(tls, result, "sending");
    }
    tls->unsent = 0;
    return 1;
}

int wm_mqtt_tls_read(struct wm_mqtt_tls *tls, void *buf, size_t size)
{
    int result = flush(tls);
    if (result < 0) {
        return result;
    }
    result = mbedtls_ssl_read(&tls->ssl, buf, size);
    if (result > 0) {
        return result;
    }
    if (result == 0 || result == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
        return WM_MQTT_PORT_ERROR_END;
    }
    return would_wait(result) ? 0 : failed(tls, result, "receiving");
}

int wm_mqtt_tls_write(struct wm_mqtt_tls *tls, const void *buf, size_t size)
{
    int most = mbedtls_ssl_get_max_out_record_payload(&tls->ssl);
    int result = flush(tls);
    if (result <= 0) {
        return result;
    }
    if (most > 0 && size > (size_t)most) {
        size = (size_t)most;
    }
    result = mbedtls_ssl_write(&tls->ssl, buf, size);
    if (result >= 0) {
        return result;
    }
    if (result == MBEDTLS_ERR_SSL_WANT_WRITE) {
        /* The record is made, and the bytes are not needed again: they are taken. What is left of it
           goes out before anything else. */
        tls->unsent = size;
        return (int)size;
    }
    return would_wait(result) ? 0 : failed(tls, result, "sending");
}

void wm_mqtt_tls_close(struct wm_mqtt_tls *tls)
{
    if (tls->broken == 0 && tls->below == 0 && flush(tls) == 1) {
        mbedtls_ssl_close_notify(&tls->ssl);
    }
    mbedtls_ssl_free(&tls->ssl);
    mbedtls_ssl_config_free(&tls->config);
    mbedtls_ctr_drbg_free(&tls->random);
    mbedtls_x509_crt_free(&tls->ca);
    mbedtls_x509_crt_free(&tls->cert);
    mbedtls_pk_free(&tls->key);
    wm_mqtt_port_free(tls);
}
