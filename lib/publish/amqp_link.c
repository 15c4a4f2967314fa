/* SPDX-License-Identifier: MIT */
#include "publish/amqp_link.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <amqp.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>

#include "base/clock.h"
#include "base/text.h"

#define CHANNEL        1
#define LOOK_UP        2 /* a channel that the broker may close */
#define FRAME_MAX      131072
#define PERSISTENT     2
#define CLOSE_MS       1000
#define WORDS_MAX      120
#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

struct amqp_link {
    amqp_connection_state_t connection;
    unsigned timeout_ms;
    uint64_t published;        /* the delivery tag of the last message */
    bool polite;               /* alive as far as we know, so that it is told of the end */
    bool blocked;              /* the broker takes no messages now */
    char words[WORDS_MAX + 1]; /* why, or what a message was returned with */
};

static void keep_words(struct amqp_link *link, amqp_bytes_t words)
{
    ccol__text_for_log(link->words, sizeof link->words, words.bytes, words.len);
}

static struct timeval timeval_of(uint64_t ms)
{
    return (struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

/* librabbitmq's codes as ours. */
static int code_of(int status)
{
    switch (status) {
    case AMQP_STATUS_NO_MEMORY:
        return -ENOMEM;
    case AMQP_STATUS_TIMEOUT:
    case AMQP_STATUS_HEARTBEAT_TIMEOUT:
        return -ETIMEDOUT;
    case AMQP_STATUS_HOSTNAME_RESOLUTION_FAILED:
        return -EHOSTUNREACH;
    case AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED:
    case AMQP_STATUS_SSL_PEER_VERIFY_FAILED:
    case AMQP_STATUS_SSL_CONNECTION_FAILED:
        return CCOL_EREJECTED;
    default:
        return -ECONNRESET;
    }
}

static int failed(int status, const char *doing, ccol_error *err)
{
    int code = code_of(status);
    const char *cure = code == CCOL_EREJECTED ? "; if its CA is your own, name it as the CA file" : "";
    ccol_fail(err, CCOL_EREMOTE, "%s the AMQP broker: %s%s", doing, amqp_error_string2(status), cure);
    if (err) err->code = code;
    return code;
}

/* What the broker says when it closes a channel or the connection. */
static int refused(const amqp_method_t *method, const char *doing, ccol_error *err)
{
    char words[WORDS_MAX + 1];
    amqp_bytes_t text = amqp_empty_bytes;
    int status = 0;
    if (method->id == AMQP_CONNECTION_CLOSE_METHOD) {
        const amqp_connection_close_t *close = method->decoded;
        text = close->reply_text;
        status = close->reply_code;
    } else if (method->id == AMQP_CHANNEL_CLOSE_METHOD) {
        const amqp_channel_close_t *close = method->decoded;
        text = close->reply_text;
        status = close->reply_code;
    }
    ccol__text_for_log(words, sizeof words, text.bytes, text.len);
    /* goes away by itself: the broker shuts down, or is in trouble */
    bool passes = status == AMQP_CONNECTION_FORCED || status == AMQP_RESOURCE_ERROR || status == AMQP_INTERNAL_ERROR;
    int code = passes ? -ECONNRESET : CCOL_EREJECTED;
    ccol_fail(err, CCOL_EREMOTE, "%s the AMQP broker: it answered %d %s", doing, status, words);
    if (err) err->code = code;
    return code;
}

static int reply_code(amqp_rpc_reply_t reply, const char *doing, ccol_error *err)
{
    switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL:
        return 0;
    case AMQP_RESPONSE_LIBRARY_EXCEPTION:
        return failed(reply.library_error, doing, err);
    case AMQP_RESPONSE_SERVER_EXCEPTION:
        return refused(&reply.reply, doing, err);
    case AMQP_RESPONSE_NONE:
        break;
    }
    return failed(AMQP_STATUS_CONNECTION_CLOSED, doing, err);
}

/* OpenSSL starts by itself; librabbitmq is not to set it up for the whole process. */
static void leave_openssl_alone(void)
{
    amqp_set_initialize_ssl_library(false);
}

static int make_socket(struct amqp_link *link, const struct amqp_place *place, amqp_socket_t **out, ccol_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, leave_openssl_alone);
    *out = place->tls ? amqp_ssl_socket_new(link->connection) : amqp_tcp_socket_new(link->connection);
    if (!*out) return ccol_fail(err, -ENOMEM, "cannot make a socket for the AMQP broker");
    if (!place->tls) return 0;
    amqp_ssl_socket_set_verify_peer(*out, true);
    amqp_ssl_socket_set_verify_hostname(*out, true);
    amqp_ssl_socket_set_ssl_versions(*out, AMQP_TLSv1_2, AMQP_TLSvLATEST);
    const char *ca_file = *place->ca_file ? place->ca_file : SYSTEM_CA_FILE;
    if (amqp_ssl_socket_set_cacert(*out, ca_file) == AMQP_STATUS_OK) return 0;
    return ccol_fail(err, CCOL_EFORMAT, "cannot read the CA file %s", ca_file);
}

static amqp_table_entry_t switched_on(const char *name)
{
    return (amqp_table_entry_t){.key = amqp_cstring_bytes(name),
                                .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = true}};
}

static int log_in(struct amqp_link *link, const struct amqp_place *place, ccol_error *err)
{
    amqp_table_entry_t capabilities[] = {switched_on("authentication_failure_close"), switched_on("basic.nack"),
                                         switched_on("connection.blocked"), switched_on("publisher_confirms")};
    amqp_table_entry_t properties[] = {
        {.key = amqp_cstring_bytes("product"),
         .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("libcrashcollect")}},
        {.key = amqp_cstring_bytes("capabilities"),
         .value = {.kind = AMQP_FIELD_KIND_TABLE,
                   .value.table = {sizeof capabilities / sizeof capabilities[0], capabilities}}}};
    const amqp_table_t table = {sizeof properties / sizeof properties[0], properties};
    amqp_rpc_reply_t reply =
        amqp_login_with_properties(link->connection, place->vhost, LOOK_UP, FRAME_MAX, (int)place->heartbeat_s, &table,
                                   AMQP_SASL_METHOD_PLAIN, place->user, place->password);
    return reply_code(reply, "cannot log in to", err);
}

static int connect_link(struct amqp_link *link, const struct amqp_place *place, ccol_error *err)
{
    struct timeval timeout = timeval_of(place->timeout_ms);
    amqp_socket_t *socket;
    link->connection = amqp_new_connection();
    if (!link->connection) return ccol_fail(err, -ENOMEM, "cannot make a connection to the AMQP broker");
    if (amqp_set_handshake_timeout(link->connection, &timeout) || amqp_set_rpc_timeout(link->connection, &timeout))
        return ccol_fail(err, -ENOMEM, "cannot make a connection to the AMQP broker");
    int code = make_socket(link, place, &socket, err);
    if (code) return code;
    int status = amqp_socket_open_noblock(socket, place->host, place->port, &timeout);
    if (status) {
        /* librabbitmq does not keep the cause; this is the usual one */
        return status == AMQP_STATUS_SOCKET_ERROR ? ccol_fail(err, -ECONNREFUSED, "cannot connect to the AMQP broker")
                                                  : failed(status, "cannot connect to", err);
    }
    code = log_in(link, place, err);
    if (code) return code;
    link->polite = true;
    amqp_channel_open(link->connection, CHANNEL);
    code = reply_code(amqp_get_rpc_reply(link->connection), "cannot open a channel to", err);
    if (code) return code;
    amqp_confirm_select(link->connection, CHANNEL);
    return reply_code(amqp_get_rpc_reply(link->connection), "no confirms from", err);
}

int ccol__amqp_link_open(struct amqp_link **out, const struct amqp_place *place, ccol_error *err)
{
    struct amqp_link *link = calloc(1, sizeof *link);
    if (!link) return ccol_fail(err, -ENOMEM, "cannot make a connection to the AMQP broker");
    link->timeout_ms = place->timeout_ms;
    int code = connect_link(link, place, err);
    if (code) {
        ccol__amqp_link_close(link);
        return code;
    }
    *out = link;
    return 0;
}

void ccol__amqp_link_close(struct amqp_link *link)
{
    if (!link) return;
    struct timeval soon = timeval_of(CLOSE_MS);
    if (link->polite && !link->blocked) {
        amqp_set_rpc_timeout(link->connection, &soon);
        amqp_connection_close(link->connection, AMQP_REPLY_SUCCESS);
    }
    if (link->connection) amqp_destroy_connection(link->connection);
    free(link);
}

/* Takes one frame that is no answer to a message. true: go on. */
static bool take_notice(struct amqp_link *link, const amqp_frame_t *frame)
{
    if (frame->frame_type != AMQP_FRAME_METHOD) return true; /* content of a returned message */
    switch (frame->payload.method.id) {
    case AMQP_CONNECTION_BLOCKED_METHOD:
        link->blocked = true;
        keep_words(link, ((const amqp_connection_blocked_t *)frame->payload.method.decoded)->reason);
        return true;
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
        link->blocked = false;
        return true;
    case AMQP_CONNECTION_CLOSE_METHOD:
    case AMQP_CHANNEL_CLOSE_METHOD:
        return false;
    default:
        return true;
    }
}

/* The next frame before deadline_ms, which is also when heartbeats go out. */
static int next_frame(struct amqp_link *link, uint64_t deadline_ms, amqp_frame_t *frame)
{
    uint64_t now = ccol__clock_monotonic_ms();
    struct timeval left = timeval_of(deadline_ms > now ? deadline_ms - now : 0);
    amqp_maybe_release_buffers(link->connection);
    return amqp_simple_wait_frame_noblock(link->connection, frame, &left);
}

bool ccol__amqp_link_tend(struct amqp_link *link)
{
    amqp_frame_t frame;
    int status;
    while ((status = next_frame(link, 0, &frame)) == AMQP_STATUS_OK) {
        if (!take_notice(link, &frame)) status = AMQP_STATUS_CONNECTION_CLOSED;
        if (status != AMQP_STATUS_OK) break;
    }
    link->polite = status == AMQP_STATUS_TIMEOUT;
    return link->polite;
}

int ccol__amqp_link_look_up(struct amqp_link *link, const char *exchange, const char *queue, ccol_error *err)
{
    char doing[WORDS_MAX + 64];
    amqp_channel_open(link->connection, LOOK_UP);
    int code = reply_code(amqp_get_rpc_reply(link->connection), "cannot open a channel to", err);
    if (code) return code;
    if (*exchange)
        amqp_exchange_declare(link->connection, LOOK_UP, amqp_cstring_bytes(exchange), amqp_cstring_bytes("direct"),
                              true, false, false, false, amqp_empty_table);
    else
        amqp_queue_declare(link->connection, LOOK_UP, amqp_cstring_bytes(queue), true, false, false, false,
                           amqp_empty_table);
    snprintf(doing, sizeof doing, "no %s %.100s at", *exchange ? "exchange" : "queue", *exchange ? exchange : queue);
    code = reply_code(amqp_get_rpc_reply(link->connection), doing, err);
    if (!code) amqp_channel_close(link->connection, LOOK_UP, AMQP_REPLY_SUCCESS);
    if (code) link->polite = false;
    return code;
}

static int send_message(struct amqp_link *link, const char *exchange, const char *routing_key, const char *text)
{
    const amqp_basic_properties_t properties = {._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                                                          AMQP_BASIC_MESSAGE_ID_FLAG,
                                                .content_type = amqp_cstring_bytes("text/plain"),
                                                .delivery_mode = PERSISTENT,
                                                .message_id = amqp_cstring_bytes(text)};
    const bool mandatory = true; /* else a message that reaches no queue is confirmed all the same */
    return amqp_basic_publish(link->connection, CHANNEL, amqp_cstring_bytes(exchange), amqp_cstring_bytes(routing_key),
                              mandatory, false, &properties, amqp_cstring_bytes(text));
}

/* Whether the frame settles the last message: *code then is the result. */
static bool is_settled(struct amqp_link *link, const amqp_frame_t *frame, bool *returned, int *code, ccol_error *err)
{
    if (frame->frame_type != AMQP_FRAME_METHOD) return false;
    const amqp_method_t *method = &frame->payload.method;
    switch (method->id) {
    case AMQP_BASIC_RETURN_METHOD:
        *returned = true;
        keep_words(link, ((const amqp_basic_return_t *)method->decoded)->reply_text);
        return false;
    case AMQP_BASIC_ACK_METHOD:
        if (((const amqp_basic_ack_t *)method->decoded)->delivery_tag < link->published) return false;
        *code = !*returned
                    ? 0
                    : ccol_fail(err, CCOL_EREMOTE,
                                "the AMQP broker returned the message: %s; bind a queue to the exchange", link->words);
        return true;
    case AMQP_BASIC_NACK_METHOD:
        if (((const amqp_basic_nack_t *)method->decoded)->delivery_tag < link->published) return false;
        *code = ccol_fail(err, CCOL_EREMOTE, "the AMQP broker refused the message (nack): is the queue full?");
        return true;
    case AMQP_CONNECTION_CLOSE_METHOD:
    case AMQP_CHANNEL_CLOSE_METHOD:
        *code = refused(method, "cannot publish to", err);
        return true;
    default:
        return false;
    }
}

static int wait_settled(struct amqp_link *link, ccol_error *err)
{
    uint64_t deadline_ms = ccol__clock_monotonic_ms() + link->timeout_ms;
    bool returned = false;
    int code = 0;
    for (;;) {
        amqp_frame_t frame;
        int status = next_frame(link, deadline_ms, &frame);
        if (status == AMQP_STATUS_TIMEOUT && link->blocked)
            return ccol_fail(err, -ETIMEDOUT, "the AMQP broker takes no messages: %s", link->words);
        if (status == AMQP_STATUS_TIMEOUT)
            return ccol_fail(err, -ETIMEDOUT, "the AMQP broker did not confirm the message");
        if (status != AMQP_STATUS_OK) return failed(status, "no confirm from", err);
        if (is_settled(link, &frame, &returned, &code, err)) return code;
        take_notice(link, &frame);
    }
}

int ccol__amqp_link_publish(struct amqp_link *link, const char *exchange, const char *routing_key, const char *text,
                            ccol_error *err)
{
    if (link->blocked) return ccol_fail(err, -ETIMEDOUT, "the AMQP broker takes no messages: %s", link->words);
    int status = send_message(link, exchange, routing_key, text);
    link->published++;
    int code = status == AMQP_STATUS_OK ? wait_settled(link, err) : failed(status, "cannot publish to", err);
    link->polite = !code || code == CCOL_EREMOTE;
    return code;
}
