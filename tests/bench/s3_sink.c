/* SPDX-License-Identifier: MIT */
/* An S3 server that costs next to nothing: raw epoll, bodies are counted and thrown away, answers come DELAY_MS after
 * the last byte. GET /count tells how many PUTs there were and of how many bytes. Usage: s3_sink PORT [DELAY_MS] */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX   8192
#define READ_BYTES (64 * 1024)
#define WAITING    65536

struct connection {
    int fd;
    bool waits, gone; /* for its answer to be due; the client has left meanwhile */
    size_t head_length, body, body_left;
    char head[HEAD_MAX + 1];
};

/* All wait equally long, so they are in order. */
static struct {
    struct connection *connection;
    uint64_t due_ms;
} waiting[WAITING];
static size_t first, last;
static uint64_t delay_ms;
static unsigned long long puts_seen, bytes_seen;

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool send_answer(struct connection *connection)
{
    char text[256], body[64] = "";
    bool head = strncmp(connection->head, "HEAD ", 5) == 0;
    if (strncmp(connection->head, "GET /count ", 11) == 0)
        snprintf(body, sizeof body, "%llu %llu\n", puts_seen, bytes_seen);
    int length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nETag: \"0\"\r\nContent-Length: %zu\r\n\r\n%s",
                          strlen(body), head ? "" : body);
    connection->head_length = 0;
    return send(connection->fd, text, (size_t)length, MSG_NOSIGNAL) == length;
}

/* The whole request is here. */
static bool finish(struct connection *connection)
{
    bool is_put = strncmp(connection->head, "PUT ", 4) == 0;
    puts_seen += is_put;
    bytes_seen += is_put ? connection->body : 0;
    if (!is_put || !delay_ms || (last + 1) % WAITING == first) return send_answer(connection);
    connection->waits = true;
    waiting[last].connection = connection;
    waiting[last].due_ms = now_ms() + delay_ms;
    last = (last + 1) % WAITING;
    return true;
}

static bool send_continue(const struct connection *connection)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!strcasestr(connection->head, "\r\nexpect: 100-continue")) return true;
    return send(connection->fd, text, sizeof text - 1, MSG_NOSIGNAL) == (ssize_t)sizeof text - 1;
}

/* Looks at what came; false ends the connection. */
static bool take_bytes(struct connection *connection, const char *data, size_t length)
{
    if (connection->body_left) {
        connection->body_left -= length < connection->body_left ? length : connection->body_left;
        return connection->body_left ? true : finish(connection);
    }
    size_t room = HEAD_MAX - connection->head_length, take = length < room ? length : room;
    memcpy(connection->head + connection->head_length, data, take);
    connection->head_length += take;
    connection->head[connection->head_length] = '\0';
    const char *end = strstr(connection->head, "\r\n\r\n");
    if (!end) return connection->head_length < HEAD_MAX;
    const char *header = strcasestr(connection->head, "\r\ncontent-length:");
    size_t in_body = length - ((size_t)(end + 4 - connection->head) - (connection->head_length - take));
    connection->body = header ? strtoul(header + 17, NULL, 10) : 0;
    connection->body_left = connection->body > in_body ? connection->body - in_body : 0;
    if (connection->body_left && !in_body && !send_continue(connection)) return false;
    return connection->body_left ? true : finish(connection);
}

static void end_connection(struct connection *connection)
{
    close(connection->fd);
    connection->gone = true;
    if (!connection->waits) free(connection);
}

static void serve(struct connection *connection)
{
    static char data[READ_BYTES];
    ssize_t got = recv(connection->fd, data, sizeof data, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0 || !take_bytes(connection, data, (size_t)got)) end_connection(connection);
}

/* Sends what is due; the milliseconds until the next is, -1: none waits. */
static int answer_due(void)
{
    for (uint64_t now = now_ms(); first != last; first = (first + 1) % WAITING) {
        struct connection *connection = waiting[first].connection;
        if (waiting[first].due_ms > now) return (int)(waiting[first].due_ms - now);
        connection->waits = false;
        if (connection->gone)
            free(connection);
        else if (!send_answer(connection))
            end_connection(connection);
    }
    return -1;
}

static void accept_all(int epoll, int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        struct connection *connection = calloc(1, sizeof *connection);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (!connection || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
            free(connection);
            close(fd);
            continue;
        }
        connection->fd = fd;
    }
}

static int listen_on(uint16_t port)
{
    const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) return -1;
    return fd;
}

int main(int argc, char **argv)
{
    int listener = argc > 1 ? listen_on((uint16_t)strtoul(argv[1], NULL, 10)) : -1;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (listener < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) {
        perror("s3_sink: cannot listen (usage: s3_sink PORT [DELAY_MS])");
        return 1;
    }
    delay_ms = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, answer_due());
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                serve(events[i].data.ptr);
            else
                accept_all(epoll, listener);
        }
    }
}
