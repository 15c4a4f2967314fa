/* SPDX-License-Identifier: MIT */
/* A small HTTP server for unit tests: each connection has a thread, each request is handed to the test's function,
 * which answers with bytes of its own making. */
#ifndef CCOL_TESTS_HTTP_FIXTURE_H
#define CCOL_TESTS_HTTP_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

#define HTTP_FIXTURE_CONNECTIONS 256
#define HTTP_FIXTURE_REQUEST_MAX (4u << 20)

struct http_exchange {
    int fd;
    unsigned connection, request; /* from 0 on; the latter counts on this connection */
    char *head;                   /* request line and headers, NUL-terminated */
    const char *body;
    size_t body_length;
    void *user;
};

/* Answers; false: the connection is to be closed. Runs on several threads. */
typedef bool (*http_fixture_fn)(struct http_exchange *exchange);

struct http_fixture {
    int fd;
    unsigned port;
    char url[64]; /* http://127.0.0.1:PORT */
    http_fixture_fn answer;
    void *user;
    pthread_t thread, threads[HTTP_FIXTURE_CONNECTIONS];
    int fds[HTTP_FIXTURE_CONNECTIONS];
    atomic_uint connections, requests;
};

struct http_fixture_connection {
    struct http_fixture *server;
    unsigned number;
};

static inline void http_send(const struct http_exchange *exchange, const char *data, size_t length)
{
    while (length) {
        ssize_t sent = send(exchange->fd, data, length, MSG_NOSIGNAL);
        if (sent <= 0) return;
        data += sent;
        length -= (size_t)sent;
    }
}

/* status: "200 OK"; headers: lines that each end in \r\n. */
static inline bool http_answer(const struct http_exchange *exchange, const char *status, const char *headers,
                               const char *body)
{
    char text[8192];
    int length = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n%s", status, strlen(body),
                          headers, body);
    REQUIRE(length > 0 && (size_t)length < sizeof text);
    http_send(exchange, text, (size_t)length);
    return true;
}

/* Closes with a reset instead of an orderly end. */
static inline bool http_reset(const struct http_exchange *exchange)
{
    struct linger linger = {.l_onoff = 1};
    setsockopt(exchange->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return false;
}

/* The value of a request's header as a new text, or NULL. */
static inline char *http_request_header(const struct http_exchange *exchange, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = strstr(exchange->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) != 0 || line[length] != ':') continue;
        const char *value = line + length + 1 + strspn(line + length + 1, " ");
        return strndup(value, strcspn(value, "\r"));
    }
    return NULL;
}

static inline size_t http_fixture_length(const struct http_exchange *exchange)
{
    char *value = http_request_header(exchange, "Content-Length");
    size_t length = value ? strtoul(value, NULL, 10) : 0;
    free(value);
    return length;
}

/* Reads one request into buffer, of which *have bytes are there already; what is more stays for the next. */
static inline bool http_fixture_read(struct http_exchange *exchange, char *buffer, size_t *have, size_t *used)
{
    for (;;) {
        buffer[*have] = '\0';
        char *end = strstr(buffer, "\r\n\r\n");
        if (end) {
            free(exchange->head);
            exchange->head = strndup(buffer, (size_t)(end - buffer) + 2);
            exchange->body = end + 4;
            exchange->body_length = http_fixture_length(exchange);
            *used = (size_t)(end + 4 - buffer) + exchange->body_length;
            if (*have >= *used) return true;
        }
        if (*have == HTTP_FIXTURE_REQUEST_MAX) return false;
        ssize_t got = recv(exchange->fd, buffer + *have, HTTP_FIXTURE_REQUEST_MAX - *have, 0);
        if (got <= 0) return false;
        *have += (size_t)got;
    }
}

static inline void *http_fixture_serve(void *user)
{
    struct http_fixture_connection *connection = user;
    struct http_fixture *server = connection->server;
    struct http_exchange exchange = {
        .fd = server->fds[connection->number], .connection = connection->number, .user = server->user};
    char *buffer = malloc(HTTP_FIXTURE_REQUEST_MAX + 1);
    size_t have = 0, used = 0;
    bool stay = true;
    for (; stay && http_fixture_read(&exchange, buffer, &have, &used); exchange.request++) {
        server->requests++;
        stay = server->answer(&exchange);
        memmove(buffer, buffer + used, have - used);
        have -= used;
    }
    struct linger linger = {0};
    socklen_t length = sizeof linger;
    getsockopt(exchange.fd, SOL_SOCKET, SO_LINGER, &linger, &length);
    if (!linger.l_onoff) shutdown(exchange.fd, SHUT_RDWR);
    if (linger.l_onoff) { /* a reset needs the descriptor to be closed; its number stays ours */
        int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        dup2(other, exchange.fd);
        close(other);
    }
    free(exchange.head);
    free(buffer);
    free(connection);
    return NULL;
}

static inline void *http_fixture_accept(void *user)
{
    struct http_fixture *server = user;
    for (int fd; (fd = accept(server->fd, NULL, NULL)) >= 0;) {
        REQUIRE(server->connections < HTTP_FIXTURE_CONNECTIONS);
        struct http_fixture_connection *connection = malloc(sizeof *connection);
        *connection = (struct http_fixture_connection){server, server->connections++};
        server->fds[connection->number] = fd;
        REQUIRE(pthread_create(&server->threads[connection->number], NULL, http_fixture_serve, connection) == 0);
    }
    return NULL;
}

static inline void http_fixture_start(struct http_fixture *server, http_fixture_fn answer, void *user)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    *server = (struct http_fixture){.answer = answer, .user = user};
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(server->fd >= 0 && bind(server->fd, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(getsockname(server->fd, (struct sockaddr *)&address, &length) == 0 && listen(server->fd, 64) == 0);
    server->port = ntohs(address.sin_port);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u", server->port);
    REQUIRE(pthread_create(&server->thread, NULL, http_fixture_accept, server) == 0);
}

static inline void http_fixture_stop(struct http_fixture *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    for (unsigned i = 0; i < server->connections; i++) {
        shutdown(server->fds[i], SHUT_RDWR);
        pthread_join(server->threads[i], NULL);
        close(server->fds[i]);
    }
}

#endif
