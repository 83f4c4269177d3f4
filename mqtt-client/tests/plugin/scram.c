/*
 * A mosquitto plugin that authenticates one user by SCRAM-SHA-256, for tests. It shares no code
 * with the client: the cryptography is OpenSSL's.
 *
 * cc -shared -fPIC -o scram.so scram.c -lcrypto
 *
 * plugin_opt_user and plugin_opt_password say who may connect. With plugin_opt_impostor the
 * plugin accepts whatever is proved to it, as a server would that has no password.
 *
 * There is one exchange at a time.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>

/* What mosquitto.h has, which is in another package. */
enum { SUCCESS = 0, AUTH_CONTINUE = -4, INVALID = 3, AUTH_REFUSED = 11 };

enum { KEY = SHA256_DIGEST_LENGTH, BASE64 = 64, FIELD = 256, TEXT = 1024, ITERATIONS = 4096 };

static const char *user = "", *password = "";
static int impostor;

/* The exchange: what both sides have said so far, and the nonce of both. */
static char said[3 * TEXT], nonce[FIELD + BASE64];
static unsigned char salt[16];

static void base64(char *out, const unsigned char *bytes, int len)
{
    EVP_EncodeBlock((unsigned char *)out, bytes, len);
}

static void hmac(unsigned char *out, const unsigned char *key, const char *text)
{
    HMAC(EVP_sha256(), key, KEY, (const unsigned char *)text, strlen(text), out, NULL);
}

static int reply(struct mosquitto_evt_extended_auth *event, const char *text, int code)
{
    /* The broker frees it. */
    event->data_out = strdup(text);
    event->data_out_len = strlen(text);
    return code;
}

/* "n,,n=USER,r=NONCE" */
static int on_start(int id, void *data, void *context)
{
    struct mosquitto_evt_extended_auth *event = data;
    char text[TEXT], name[FIELD], theirs[FIELD], ours64[BASE64], salt64[BASE64];
    char challenge[TEXT];
    unsigned char ours[18];

    (void)id, (void)context;
    if (strcmp(event->auth_method, "SCRAM-SHA-256") || event->data_in_len >= TEXT)
        return INVALID;
    memcpy(text, event->data_in, event->data_in_len);
    text[event->data_in_len] = 0;
    if (sscanf(text, "n,,n=%255[^,],r=%255[^,]", name, theirs) != 2)
        return INVALID;
    if (strcmp(name, user))
        return AUTH_REFUSED;

    RAND_bytes(ours, sizeof ours);
    base64(ours64, ours, sizeof ours);
    snprintf(nonce, sizeof nonce, "%s%s", theirs, ours64);
    RAND_bytes(salt, sizeof salt);
    base64(salt64, salt, sizeof salt);
    snprintf(challenge, sizeof challenge, "r=%s,s=%s,i=%d", nonce, salt64, ITERATIONS);
    snprintf(said, sizeof said, "%s,%s", text + strlen("n,,"), challenge);
    return reply(event, challenge, AUTH_CONTINUE);
}

/* "c=biws,r=NONCE,p=PROOF" */
static int on_continue(int id, void *data, void *context)
{
    struct mosquitto_evt_extended_auth *event = data;
    unsigned char salted[KEY], client_key[KEY], stored_key[KEY], proof[KEY], signature[KEY];
    char text[TEXT], start[TEXT], exchange[5 * TEXT], proof64[BASE64];
    char final[2 * BASE64];

    (void)id, (void)context;
    if (event->data_in_len >= TEXT)
        return INVALID;
    memcpy(text, event->data_in, event->data_in_len);
    text[event->data_in_len] = 0;
    snprintf(start, sizeof start, "c=biws,r=%s", nonce);
    if (strncmp(text, start, strlen(start)))
        return AUTH_REFUSED;
    snprintf(exchange, sizeof exchange, "%s,%s", said, start);

    PKCS5_PBKDF2_HMAC(password, strlen(password), salt, sizeof salt, ITERATIONS, EVP_sha256(), KEY,
                      salted);
    hmac(client_key, salted, "Client Key");
    SHA256(client_key, KEY, stored_key);
    hmac(proof, stored_key, exchange);
    for (int i = 0; i < KEY; i++)
        proof[i] ^= client_key[i];
    base64(proof64, proof, KEY);
    size_t len = strlen(start);
    if (!impostor && (strncmp(text + len, ",p=", 3) || strcmp(text + len + 3, proof64)))
        return AUTH_REFUSED;

    hmac(signature, salted, "Server Key");
    hmac(proof, signature, exchange);
    base64(proof64, proof, KEY);
    snprintf(final, sizeof final, "v=%s", proof64);
    mosquitto_set_username(event->client, user);
    return reply(event, final, SUCCESS);
}

int mosquitto_plugin_version(int count, const int *versions)
{
    for (int i = 0; i < count; i++)
        if (versions[i] == 5)
            return 5;
    return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *plugin, void **context,
                          struct mosquitto_opt *options, int count)
{
    (void)context;
    for (int i = 0; i < count; i++) {
        if (!strcmp(options[i].key, "user"))
            user = options[i].value;
        if (!strcmp(options[i].key, "password"))
            password = options[i].value;
        if (!strcmp(options[i].key, "impostor"))
            impostor = 1;
    }
    int result = mosquitto_callback_register(plugin, MOSQ_EVT_EXT_AUTH_START, on_start, NULL, NULL);
    if (result != SUCCESS)
        return result;
    return mosquitto_callback_register(plugin, MOSQ_EVT_EXT_AUTH_CONTINUE, on_continue, NULL, NULL);
}

int mosquitto_plugin_cleanup(void *context, struct mosquitto_opt *options, int count)
{
    (void)context, (void)options, (void)count;
    return SUCCESS;
}
