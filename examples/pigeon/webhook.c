/* SPDX-License-Identifier: MIT */
#include "webhook.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#define BODY_MAX        ((size_t)1 << 20)
#define CONNECTIONS_MAX 64
#define IDLE_SECONDS    30

struct webhook {
    struct MHD_Daemon *daemon;
    struct queues *queues;
    unsigned attempts;
};

struct upload {
    char *body;
    size_t length;
    bool too_large;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (!response) return MHD_NO;
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE) MHD_add_response_header(response, "Retry-After", "10");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) MHD_add_response_header(response, "Allow", "POST");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static void take_bytes(struct upload *upload, const char *data, size_t length)
{
    char *grown = length <= BODY_MAX - upload->length ? realloc(upload->body, upload->length + length) : NULL;
    if (!grown) {
        upload->too_large = true;
        return;
    }
    memcpy(grown + upload->length, data, length);
    upload->body = grown;
    upload->length += length;
}

static enum MHD_Result take_event(struct webhook *webhook, struct MHD_Connection *connection, struct upload *upload)
{
    ccol_error err = {0};
    if (upload->too_large) return answer(connection, MHD_HTTP_CONTENT_TOO_LARGE, "an event has at most 1 MiB\n");
    int code =
        queues_take_event(webhook->queues, upload->body ? upload->body : "", upload->length, webhook->attempts, &err);
    if (code == -EINVAL) return answer(connection, MHD_HTTP_BAD_REQUEST, "this is no S3 event\n");
    return answer(connection, code ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, "");
}

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *length, void **state)
{
    (void)url;
    (void)version;
    struct upload *upload = *state;
    if (!upload) return (*state = calloc(1, sizeof *upload)) ? MHD_YES : MHD_NO;
    if (*length) {
        if (!upload->too_large) take_bytes(upload, data, *length);
        *length = 0;
        return MHD_YES;
    }
    if (strcmp(method, "POST") != 0) return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "");
    return take_event(user, connection, upload);
}

static void end(void *user, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
    (void)user;
    (void)connection;
    (void)why;
    struct upload *upload = *state;
    if (upload) free(upload->body);
    free(upload);
}

int webhook_start(struct webhook **out, const char *host, unsigned short port, struct queues *queues, unsigned attempts,
                  ccol_error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return ccol_fail(err, -EINVAL, "\"%.80s\" is no IPv4 address to listen on", host);
    struct webhook *webhook = calloc(1, sizeof *webhook);
    if (!webhook) return ccol_fail(err, -ENOMEM, "cannot listen");
    webhook->queues = queues;
    webhook->attempts = attempts;
    webhook->daemon = MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD, 0, NULL, NULL, handle, webhook,
                                       MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT,
                                       (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
                                       MHD_OPTION_NOTIFY_COMPLETED, end, NULL, MHD_OPTION_END);
    if (!webhook->daemon) {
        free(webhook);
        return ccol_fail(err, errno ? -errno : -EADDRINUSE, "cannot listen on %s:%u", host, port);
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(webhook->daemon, MHD_DAEMON_INFO_BIND_PORT);
    fprintf(stderr, "pigeon: listening on %s:%u\n", host, info ? info->port : port);
    *out = webhook;
    return 0;
}

void webhook_stop(struct webhook *webhook)
{
    if (!webhook) return;
    MHD_stop_daemon(webhook->daemon);
    free(webhook);
}
