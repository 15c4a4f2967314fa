/* SPDX-License-Identifier: MIT */
#include "consume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <amqp.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>

#define CHANNEL        1
#define PREFETCH       16
#define FRAME_MAX      131072
#define HEARTBEAT_S    30
#define STEP_S         10
#define LOOK_SECONDS   1
#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

static int reply_code(amqp_rpc_reply_t reply, const char *doing, ccol_error *err)
{
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) return 0;
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
        return ccol_fail(err, CCOL_EREMOTE, "cannot %s: %s", doing, amqp_error_string2(reply.library_error));
    bool channel = reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD;
    amqp_bytes_t words = amqp_cstring_bytes("the connection was closed");
    if (channel) words = ((const amqp_channel_close_t *)reply.reply.decoded)->reply_text;
    return ccol_fail(err, channel ? CCOL_EREJECTED : CCOL_EREMOTE, "cannot %s: %.*s", doing,
                     (int)(words.len < 100 ? words.len : 100), (const char *)words.bytes);
}

static amqp_socket_t *make_socket(amqp_connection_state_t connection, bool tls)
{
    if (!tls) return amqp_tcp_socket_new(connection);
    amqp_socket_t *socket = amqp_ssl_socket_new(connection);
    const char *ca_file = getenv("PIGEON_CA_FILE");
    bool good = socket && amqp_ssl_socket_set_cacert(socket, ca_file ? ca_file : SYSTEM_CA_FILE) == AMQP_STATUS_OK;
    if (socket) amqp_ssl_socket_set_verify_peer(socket, true);
    if (socket) amqp_ssl_socket_set_verify_hostname(socket, true);
    return good ? socket : NULL;
}

static int log_in(amqp_connection_state_t connection, const struct amqp_connection_info *info, ccol_error *err)
{
    struct timeval step = {.tv_sec = STEP_S};
    amqp_socket_t *socket = make_socket(connection, info->ssl);
    if (!socket) return ccol_fail(err, CCOL_EFORMAT, "cannot read the CA file (PIGEON_CA_FILE)");
    amqp_set_handshake_timeout(connection, &step);
    amqp_set_rpc_timeout(connection, &step);
    int status = amqp_socket_open_noblock(socket, info->host, info->port, &step);
    if (status)
        return ccol_fail(err, CCOL_EREMOTE, "cannot connect to the source of events: %s", amqp_error_string2(status));
    const char *vhost = info->vhost && *info->vhost ? info->vhost : "/";
    return reply_code(amqp_login(connection, vhost, CHANNEL, FRAME_MAX, HEARTBEAT_S, AMQP_SASL_METHOD_PLAIN, info->user,
                                 info->password),
                      "log in to the source of events", err);
}

static int subscribe(amqp_connection_state_t connection, const char *queue, ccol_error *err)
{
    amqp_channel_open(connection, CHANNEL);
    int code = reply_code(amqp_get_rpc_reply(connection), "open a channel", err);
    if (code) return code;
    amqp_basic_qos(connection, CHANNEL, 0, PREFETCH, false);
    code = reply_code(amqp_get_rpc_reply(connection), "limit what comes at once", err);
    if (code) return code;
    amqp_basic_consume(connection, CHANNEL, amqp_cstring_bytes(queue), amqp_empty_bytes, false, false, false,
                       amqp_empty_table);
    return reply_code(amqp_get_rpc_reply(connection), "take events from the queue", err);
}

/* What cannot be published now stays in the queue: it comes again on the next connection. */
static int take_envelope(amqp_connection_state_t connection, const amqp_envelope_t *envelope, struct queues *queues,
                         unsigned attempts, ccol_error *err)
{
    const amqp_bytes_t *body = &envelope->message.body;
    int code = queues_take_event(queues, body->bytes, body->len, attempts, err);
    if (code == -EINVAL) fprintf(stderr, "pigeon: left out a message that is no S3 event\n");
    if (code && code != -EINVAL) return code;
    int status = amqp_basic_ack(connection, CHANNEL, envelope->delivery_tag, false);
    return status ? ccol_fail(err, CCOL_EREMOTE, "cannot acknowledge: %s", amqp_error_string2(status)) : 0;
}

static int take_events(amqp_connection_state_t connection, struct queues *queues, unsigned attempts,
                       const volatile sig_atomic_t *stop, ccol_error *err)
{
    while (!*stop) {
        struct timeval look = {.tv_sec = LOOK_SECONDS};
        amqp_envelope_t envelope;
        amqp_maybe_release_buffers(connection);
        amqp_rpc_reply_t reply = amqp_consume_message(connection, &envelope, &look, 0);
        if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && reply.library_error == AMQP_STATUS_TIMEOUT) continue;
        int code = reply_code(reply, "wait for events", err);
        if (code) return code;
        code = take_envelope(connection, &envelope, queues, attempts, err);
        amqp_destroy_envelope(&envelope);
        if (code) return code;
    }
    return 0;
}

static int run_once(const struct amqp_connection_info *info, const char *queue, struct queues *queues,
                    unsigned attempts, const volatile sig_atomic_t *stop, ccol_error *err)
{
    amqp_connection_state_t connection = amqp_new_connection();
    if (!connection) return ccol_fail(err, -ENOMEM, "cannot make a connection");
    int code = log_in(connection, info, err);
    if (!code) code = subscribe(connection, queue, err);
    if (!code) fprintf(stderr, "pigeon: taking events from the queue %s\n", queue);
    if (!code) code = take_events(connection, queues, attempts, stop, err);
    if (!code) amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(connection);
    return code;
}

int consume_run(const char *url, const char *queue, struct queues *queues, unsigned attempts,
                const volatile sig_atomic_t *stop, ccol_error *err)
{
    struct amqp_connection_info info;
    char *text = strdup(url);
    int code = text ? 0 : ccol_fail(err, -ENOMEM, "cannot keep the URL");
    if (!code && amqp_parse_url(text, &info) != AMQP_STATUS_OK)
        code = ccol_fail(err, -EINVAL, "PIGEON_SOURCE_URL must be amqp[s]://USER:PASSWORD@HOST[:PORT][/VHOST]");
    while (!code && !*stop) {
        code = run_once(&info, queue, queues, attempts, stop, err);
        if (!code || ccol_error_is_permanent(code)) break;
        fprintf(stderr, "pigeon: %s; trying again\n", err->text);
        const struct timespec pause = {.tv_sec = 1};
        nanosleep(&pause, NULL);
        code = 0;
    }
    free(text);
    return code;
}
