/* SPDX-License-Identifier: MIT */
#include "net/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#define IDLE_MAX_DEFAULT     64
#define CONNECT_MS_DEFAULT   5000
#define TOTAL_MS_DEFAULT     60000
#define STALL_S_DEFAULT      20
#define STALL_BYTES_PER_S    1024L
#define RESPONSE_MAX_DEFAULT ((size_t)1 << 20)
#define HEADERS_MAX          ((size_t)64 << 10)
#define HEADER_MAX           ((size_t)32 << 10) /* one that is sent; session tokens have a few kB */
#define RETRY_AFTER_MAX_S    3600
#define CONNECTION_AGE_S     600L /* a busy connection still follows its name's addresses */
#define ORIGIN_SIZE          160

struct http_client {
    char *ca_file, *ca_folder, *proxy;
    pthread_mutex_t lock;
    CURL **idle; /* under lock */
    unsigned idle_count, idle_max;
};

/* One request on its way. */
struct transfer {
    const struct http_request *request;
    struct http_response *response;
    size_t piece, offset; /* what is sent next: request->body[piece] from offset on */
    bool no_memory;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_state = CURLE_FAILED_INIT;

static void init_curl(void)
{
    curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int copy_text(char **out, const char *text)
{
    *out = text && *text ? strdup(text) : NULL;
    return text && *text && !*out ? -ENOMEM : 0;
}

static int copy_options(struct http_client *client, const struct http_client_options *options, ccol_error *err)
{
    client->idle_max = options->idle_max ? options->idle_max : IDLE_MAX_DEFAULT;
    client->idle = calloc(client->idle_max, sizeof(CURL *));
    if (!client->idle || copy_text(&client->ca_file, options->ca_file) ||
        copy_text(&client->ca_folder, options->ca_folder) || copy_text(&client->proxy, options->proxy))
        return ccol_fail(err, -ENOMEM, "cannot make an HTTP client");
    if (client->ca_file && access(client->ca_file, R_OK))
        return ccol_fail(err, -errno, "cannot read the CA file %s", client->ca_file);
    if (client->ca_folder && access(client->ca_folder, R_OK | X_OK))
        return ccol_fail(err, -errno, "cannot read the CA folder %s", client->ca_folder);
    return 0;
}

int ccol__http_client_new(struct http_client **out, const struct http_client_options *options, ccol_error *err)
{
    pthread_once(&curl_once, init_curl);
    if (curl_state != CURLE_OK) return ccol_fail(err, CCOL_EREMOTE, "cannot start libcurl");
    struct http_client *client = calloc(1, sizeof *client);
    if (!client) return ccol_fail(err, -ENOMEM, "cannot make an HTTP client");
    pthread_mutex_init(&client->lock, NULL);
    int code = copy_options(client, options, err);
    if (code) {
        ccol__http_client_free(client);
        return code;
    }
    *out = client;
    return 0;
}

void ccol__http_client_free(struct http_client *client)
{
    if (!client) return;
    for (unsigned i = 0; i < client->idle_count; i++)
        curl_easy_cleanup(client->idle[i]);
    pthread_mutex_destroy(&client->lock);
    free(client->idle);
    free(client->ca_file);
    free(client->ca_folder);
    free(client->proxy);
    free(client);
}

/* The handle used last, whose connection is the likeliest to be alive; or a new one. */
static CURL *take_handle(struct http_client *client)
{
    CURL *handle = NULL;
    pthread_mutex_lock(&client->lock);
    if (client->idle_count) handle = client->idle[--client->idle_count];
    pthread_mutex_unlock(&client->lock);
    return handle ? handle : curl_easy_init();
}

static void give_handle(struct http_client *client, CURL *handle)
{
    curl_easy_reset(handle); /* keeps connections, names and TLS sessions */
    pthread_mutex_lock(&client->lock);
    bool kept = client->idle_count < client->idle_max;
    if (kept) client->idle[client->idle_count++] = handle;
    pthread_mutex_unlock(&client->lock);
    if (!kept) curl_easy_cleanup(handle);
}

static size_t send_body(char *out, size_t size, size_t count, void *user)
{
    struct transfer *transfer = user;
    const struct http_request *request = transfer->request;
    size_t room = size * count, done = 0;
    while (done < room && transfer->piece < request->body_count) {
        const struct http_piece *piece = &request->body[transfer->piece];
        size_t left = piece->length - transfer->offset;
        size_t some = left < room - done ? left : room - done;
        if (some) memcpy(out + done, (const char *)piece->data + transfer->offset, some);
        done += some;
        transfer->offset += some;
        if (transfer->offset == piece->length) {
            transfer->piece++;
            transfer->offset = 0;
        }
    }
    return done;
}

/* libcurl sends a body again when a kept connection turns out to be dead. */
static int rewind_body(void *user, curl_off_t offset, int origin)
{
    struct transfer *transfer = user;
    if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_FAIL;
    transfer->piece = 0;
    transfer->offset = 0;
    return CURL_SEEKFUNC_OK;
}

static size_t receive_body(char *data, size_t size, size_t count, void *user)
{
    struct transfer *transfer = user;
    struct buffer *body = &transfer->response->body;
    if (ccol__buffer_append(body, data, size * count)) return size * count;
    transfer->no_memory = body->length + size * count <= body->ceiling;
    return 0;
}

static size_t receive_header(char *data, size_t size, size_t count, void *user)
{
    struct transfer *transfer = user;
    struct buffer *headers = &transfer->response->headers;
    size_t length = size * count;
    if (length >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        ccol__buffer_clear(headers); /* the next answer, after 100 Continue for one */
        return length;
    }
    size_t kept = length;
    while (kept && (data[kept - 1] == '\r' || data[kept - 1] == '\n' || data[kept - 1] == ' '))
        kept--;
    if (kept && !memchr(data, '\0', kept) && ccol__buffer_append(headers, data, kept))
        ccol__buffer_append(headers, "", 1);
    transfer->no_memory = headers->failed && headers->length + kept + 1 <= headers->ceiling;
    return headers->failed ? 0 : length;
}

static bool is_token(const char *name)
{
    if (!*name) return false;
    for (const unsigned char *at = (const unsigned char *)name; *at; at++) {
        if (*at <= ' ' || *at >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", *at)) return false;
    }
    return true;
}

static int add_line(struct transfer *transfer, const char *line)
{
    struct curl_slist *grown = curl_slist_append(transfer->headers, line);
    if (!grown) return -ENOMEM;
    transfer->headers = grown;
    return 0;
}

static int add_header(struct transfer *transfer, const struct http_header *header)
{
    if (!is_token(header->name) || strpbrk(header->value, "\r\n")) return -EINVAL;
    struct buffer line;
    ccol__buffer_init(&line, HEADER_MAX, NULL);
    /* an empty value is written with a semicolon; with a colon libcurl leaves the header out */
    if (header->value[0])
        ccol__buffer_format(&line, "%s: %s", header->name, header->value);
    else
        ccol__buffer_format(&line, "%s;", header->name);
    int code = line.failed ? -ENOMEM : add_line(transfer, line.data);
    ccol__buffer_wipe(&line);
    return code;
}

static int add_headers(struct transfer *transfer)
{
    const struct http_request *request = transfer->request;
    int code = request->expect_continue ? 0 : add_line(transfer, "Expect:");
    for (size_t i = 0; !code && i < request->header_count; i++)
        code = add_header(transfer, &request->headers[i]);
    return code;
}

/* Headers carry tokens. */
static void drop_headers(struct transfer *transfer)
{
    for (struct curl_slist *at = transfer->headers; at; at = at->next)
        explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
}

static bool always_has_body(const char *method)
{
    return strcmp(method, "PUT") == 0 || strcmp(method, "POST") == 0 || strcmp(method, "PATCH") == 0;
}

#define SET(option, value) (code = code ? code : curl_easy_setopt(handle, option, value))

static CURLcode set_method(CURL *handle, struct transfer *transfer)
{
    const struct http_request *request = transfer->request;
    CURLcode code = CURLE_OK;
    if (strcmp(request->method, "HEAD") == 0) return curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    if (request->body_count || always_has_body(request->method)) {
        curl_off_t length = 0;
        for (size_t i = 0; i < request->body_count; i++)
            length += (curl_off_t)request->body[i].length;
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, length);
        SET(CURLOPT_READFUNCTION, send_body);
        SET(CURLOPT_READDATA, transfer);
        SET(CURLOPT_SEEKFUNCTION, rewind_body);
        SET(CURLOPT_SEEKDATA, transfer);
    }
    SET(CURLOPT_CUSTOMREQUEST, request->method);
    return code;
}

static CURLcode set_trust(const struct http_client *client, CURL *handle)
{
    CURLcode code = CURLE_OK;
    if (client->ca_file || client->ca_folder) {
        SET(CURLOPT_CAINFO, client->ca_file);
        SET(CURLOPT_CAPATH, client->ca_folder);
    }
    if (client->proxy) SET(CURLOPT_PROXY, strcmp(client->proxy, "off") == 0 ? "" : client->proxy);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    return code;
}

static CURLcode set_limits(CURL *handle, const struct http_request *request)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(request->connect_ms ? request->connect_ms : CONNECT_MS_DEFAULT));
    SET(CURLOPT_TIMEOUT_MS, (long)(request->total_ms ? request->total_ms : TOTAL_MS_DEFAULT));
    SET(CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES_PER_S);
    SET(CURLOPT_LOW_SPEED_TIME, (long)(request->stall_s ? request->stall_s : STALL_S_DEFAULT));
    SET(CURLOPT_MAXLIFETIME_CONN, CONNECTION_AGE_S);
    return code;
}

static CURLcode set_options(const struct http_client *client, CURL *handle, struct transfer *transfer)
{
    char agent[64];
    CURLcode code = CURLE_OK;
    snprintf(agent, sizeof agent, "libcrashcollect/%s", ccol_version_text());
    SET(CURLOPT_ERRORBUFFER, transfer->error);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_URL, transfer->request->url);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTPHEADER, transfer->headers);
    SET(CURLOPT_USERAGENT, agent);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_WRITEFUNCTION, receive_body);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_HEADERFUNCTION, receive_header);
    SET(CURLOPT_HEADERDATA, transfer);
    code = code ? code : set_method(handle, transfer);
    code = code ? code : set_trust(client, handle);
    return code ? code : set_limits(handle, transfer->request);
}

/* "https://host:port" of a URL: what follows may be a secret. */
static const char *origin_of(char out[ORIGIN_SIZE], const char *url)
{
    const char *host = strstr(url, "://");
    size_t length = host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : 0;
    ccol__text_for_log(out, ORIGIN_SIZE, url, length);
    return out;
}

static int error_code(CURLcode result)
{
    switch (result) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return -EINVAL;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -EHOSTUNREACH;
    case CURLE_COULDNT_CONNECT:
        return -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return -ECONNRESET;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default:
        return CCOL_EREMOTE;
    }
}

/* libcurl's text says more than that of an errno, so it stands alone. */
static int tell_failure(const struct transfer *transfer, CURLcode result, ccol_error *err)
{
    char origin[ORIGIN_SIZE];
    origin_of(origin, transfer->request->url);
    if (transfer->no_memory) return ccol_fail(err, -ENOMEM, "no room for the answer of %s", origin);
    const struct http_response *response = transfer->response;
    if (response->headers.failed)
        return ccol_fail(err, CCOL_EREMOTE, "the headers of %s are larger than %zu bytes", origin, HEADERS_MAX);
    if (response->body.failed)
        return ccol_fail(err, CCOL_EREMOTE, "the answer of %s is larger than %zu bytes", origin,
                         response->body.ceiling);
    const char *cure = "";
    if (result == CURLE_PEER_FAILED_VERIFICATION) cure = "; if its CA is your own, name it as the CA file";
    int code = error_code(result);
    ccol_fail(err, CCOL_EREMOTE, "%s: %s%s", origin, transfer->error[0] ? transfer->error : curl_easy_strerror(result),
              cure);
    if (err) err->code = code;
    return code;
}

/* Writing to a closed TLS connection raises SIGPIPE with some versions of libcurl, which must not end the host. */
static CURLcode perform_without_sigpipe(CURL *handle)
{
    const struct timespec at_once = {0};
    sigset_t pipe, before, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    CURLcode result = curl_easy_perform(handle);
    while (!was_pending && sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR)
        ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

static int perform(struct http_client *client, struct transfer *transfer, ccol_error *err)
{
    CURL *handle = take_handle(client);
    if (!handle) return ccol_fail(err, -ENOMEM, "cannot make an HTTP request");
    CURLcode result = set_options(client, handle, transfer);
    if (!result) result = perform_without_sigpipe(handle);
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    transfer->response->status = (int)status;
    int code = result ? tell_failure(transfer, result, err) : 0;
    give_handle(client, handle);
    return code;
}

int ccol__http_client_perform(struct http_client *client, const struct http_request *request,
                              struct http_response *response, ccol_error *err)
{
    struct transfer transfer = {.request = request, .response = response};
    *response = (struct http_response){0};
    ccol__buffer_init(&response->body, request->response_max ? request->response_max : RESPONSE_MAX_DEFAULT, NULL);
    ccol__buffer_init(&response->headers, HEADERS_MAX, NULL);
    int code = add_headers(&transfer);
    if (code)
        ccol_fail(err, code, "cannot make an HTTP request");
    else
        code = perform(client, &transfer, err);
    drop_headers(&transfer);
    if (code) ccol__http_response_fini(response);
    return code;
}

const char *ccol__http_response_header(const struct http_response *response, const char *name)
{
    const char *at = response->headers.data, *end = at ? at + response->headers.length : NULL;
    for (; at && at < end; at += strlen(at) + 1) {
        const char *colon = strchr(at, ':');
        if (colon && ccol__text_equal_nocase(at, (size_t)(colon - at), name))
            return colon + 1 + strspn(colon + 1, " \t");
    }
    return NULL;
}

unsigned ccol__http_response_retry_after(const struct http_response *response)
{
    const char *value = ccol__http_response_header(response, "Retry-After");
    if (!value) return 0;
    unsigned long seconds = 0;
    if (value[0] >= '0' && value[0] <= '9') {
        seconds = strtoul(value, NULL, 10);
    } else {
        time_t when = curl_getdate(value, NULL), now = time(NULL);
        seconds = when > now ? (unsigned long)(when - now) : 0;
    }
    return seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : (unsigned)seconds;
}

void ccol__http_response_fini(struct http_response *response)
{
    ccol__buffer_fini(&response->body);
    ccol__buffer_fini(&response->headers);
}

bool ccol__http_url_valid(const char *url)
{
    size_t length = strlen(url), skip = 0;
    if (ccol__text_starts_nocase(url, length, "http://")) skip = 7;
    if (ccol__text_starts_nocase(url, length, "https://")) skip = 8;
    size_t host = skip ? strcspn(url + skip, "/?#") : 0;
    if (!host || url[skip] == ':' || memchr(url + skip, '@', host)) return false;
    for (const unsigned char *at = (const unsigned char *)url; *at; at++) {
        if (*at <= ' ' || *at == 0x7f) return false;
    }
    return true;
}
