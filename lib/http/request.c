/* SPDX-License-Identifier: MIT */
#include "http/request.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "collector/reply.h"
#include "http/answer.h"
#include "http/framing.h"
#include "http/routes.h"

/* A body that nobody wants is read to its end up to this size, so that the connection lives on. */
#define SKIP_MAX (1024 * 1024)

#define RETRY_AFTER_S 10

enum request_state {
    REQUEST_BODY,    /* feeds the upload */
    REQUEST_SKIP,    /* the reply is known, the rest of the body is skipped */
    REQUEST_LINGER,  /* the reply is sent, what still comes is thrown away */
    REQUEST_WAIT,    /* the collector has it */
    REQUEST_ANSWERED /* MHD has the response */
};

struct request {
    struct letter letter; /* first: a letter in the mailbox is a request */
    struct handling *handling;
    struct MHD_Connection *mhd;
    struct connection *connection; /* NULL in a host's daemon */
    ccol_upload *upload;
    ccol_reply reply;
    int64_t left;     /* body bytes to come; -1: unknown */
    uint64_t skipped; /* body bytes thrown away */
    enum request_state state;
    bool head;
    bool close;              /* whatever the answer is, the connection ends with it */
    bool expects_continue;   /* the client waits for a word before it sends the body */
    atomic_bool done;        /* the collector has given the reply */
    struct mailbox *mailbox; /* WAITING_MAILBOX: referenced while in REQUEST_WAIT */
    pthread_t thread;        /* that called ccol_upload_finish_async */
    bool calling;            /* and is still inside; only looked at by that thread */
};

static struct connection *connection_of(const struct handling *handling, struct MHD_Connection *mhd)
{
    if (handling->waiting != WAITING_MAILBOX) return NULL;
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void enter(struct request *request, enum connection_phase phase)
{
    if (request->connection) ccol__connection_enter(request->connection, phase, request->handling->now_ms);
}

static void request_free(struct request *request)
{
    ccol_upload_free(request->upload);
    ccol_reply_clear(&request->reply);
    free(request);
}

static bool is_closing(const struct handling *handling)
{
    return handling->closing && atomic_load_explicit(handling->closing, memory_order_relaxed);
}

static enum MHD_Result queue_reply(struct request *request)
{
    request->state = REQUEST_ANSWERED;
    enter(request, CONNECTION_REPLY);
    return ccol__answer_queue(request->mhd, &request->reply, request->close || is_closing(request->handling));
}

/* Early answers go around MHD where it has no way to send them: it takes a response in the middle of a body never, and
 * before the body only to close at once, which resets the connection under a client that is still sending. In a host's
 * daemon or through TLS the socket is not ours to write to. */
static bool can_write(const struct request *request)
{
    return request->connection && !request->connection->encrypted;
}

static void write_reply(struct request *request)
{
    ccol__answer_write(request->connection->fd, &request->reply, request->head);
    request->state = REQUEST_LINGER;
    enter(request, CONNECTION_LINGER);
}

/* The answer is known and request->reply holds it; part of the body may still have to come. `first`: this is the first
 * call of the handler, before any 100-continue. What MHD is given then ends the connection, even without a body; so
 * answers after which the connection may live wait for the last call, which follows at once where no body comes. */
static enum MHD_Result answer_early(struct request *request, bool first)
{
    bool skippable = !request->close && request->reply.status != MHD_HTTP_CONTENT_TOO_LARGE &&
                     request->left <= SKIP_MAX - (int64_t)request->skipped;
    bool bodiless = request->left == 0 || request->expects_continue;
    if (first && bodiless && (request->close || request->left != 0)) return queue_reply(request);
    if (skippable || (!can_write(request) && !first)) {
        request->state = REQUEST_SKIP;
        return MHD_YES;
    }
    if (!can_write(request)) return queue_reply(request);
    write_reply(request);
    return MHD_YES;
}

/* The collector has said no; its reply comes at once. */
static enum MHD_Result refuse(struct request *request, bool first)
{
    request->reply.size = sizeof(request->reply);
    ccol_upload_finish(request->upload, &request->reply);
    ccol_upload_free(request->upload);
    request->upload = NULL;
    return answer_early(request, first);
}

static bool out_of_memory(struct request *request)
{
    request->close = true;
    if (!ccol__reply_text(&request->reply, MHD_HTTP_SERVICE_UNAVAILABLE, REPLY_TEXT, "")) return false;
    request->reply.retry_after_s = RETRY_AFTER_S;
    return true;
}

static enum MHD_Result begin_upload(struct request *request, const struct framing *framing, const char *path)
{
    bool decided = false;
    ccol_upload_info info = {
        .size = sizeof(info),
        .content_type = framing->content_type,
        .content_encoding = framing->content_encoding,
        .user_agent = framing->user_agent,
        .authorization = framing->authorization,
        .content_length = framing->content_length,
        .path = path,
        .sentry_auth = framing->sentry_auth,
        .sentry_key = MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, "sentry_key"),
    };
    if (ccol_upload_new(&request->upload, request->handling->collector, &info, &decided, NULL) != 0) {
        request->upload = NULL;
        return out_of_memory(request) ? answer_early(request, true) : MHD_NO;
    }
    return decided ? refuse(request, true) : MHD_YES;
}

static bool refuse_framing(struct request *request, const char *problem)
{
    ccol__metrics_count(request->handling->metrics, METRIC_BAD_REQUEST, NULL);
    request->close = true;
    return ccol__reply_text(&request->reply, MHD_HTTP_BAD_REQUEST, REPLY_TEXT, problem);
}

static struct request *request_new(struct handling *handling, struct MHD_Connection *mhd, const char *method)
{
    struct request *request = calloc(1, sizeof(*request));
    if (!request) return NULL;
    request->handling = handling;
    request->mhd = mhd;
    request->connection = connection_of(handling, mhd);
    request->head = strcmp(method, "HEAD") == 0;
    atomic_init(&request->done, false);
    if (request->connection) request->connection->request = request;
    enter(request, CONNECTION_BODY);
    return request;
}

static enum MHD_Result begin(struct handling *handling, struct MHD_Connection *mhd, const char *url, const char *method,
                             const char *version, void **context)
{
    struct framing framing;
    struct request *request = request_new(handling, mhd, method);
    if (!request) return MHD_NO;
    *context = request;
    const char *problem = ccol__framing_read(mhd, version, &framing);
    request->left = problem ? -1 : framing.content_length;
    request->expects_continue = framing.expects_continue;
    request->close = framing.last;
    if (problem) return refuse_framing(request, problem) ? answer_early(request, true) : MHD_NO;
    ccol_header headers[FRAMING_HEADERS_MAX];
    const struct route_request routed = {.collector = handling->collector,
                                         .method = method,
                                         .url = url,
                                         .authorization = framing.authorization,
                                         .headers = headers,
                                         .header_count =
                                             strncmp(url, "/__", 3) == 0 ? ccol__framing_headers(mhd, headers) : 0};
    switch (ccol__route(handling->health, &routed, &request->reply)) {
    case ROUTE_SUBMIT:
        return begin_upload(request, &framing, ccol__route_path(url));
    case ROUTE_ANSWERED:
        return answer_early(request, true);
    case ROUTE_FAILED:
        break;
    }
    return MHD_NO;
}

/* Throws body bytes away. MHD_NO when there are too many of them: the connection then ends. */
static enum MHD_Result skip(struct request *request, size_t size)
{
    request->skipped += size;
    if (request->state == REQUEST_LINGER || !can_write(request))
        return request->skipped <= request->handling->max_body ? MHD_YES : MHD_NO;
    if (request->skipped > SKIP_MAX) write_reply(request);
    return MHD_YES;
}

static enum MHD_Result take_body(struct request *request, const char *data, size_t size)
{
    if (request->left > 0) request->left -= (int64_t)size;
    if (request->connection) {
        request->connection->body_bytes += size;
        request->connection->last_ms = request->handling->now_ms;
    }
    if (request->state != REQUEST_BODY) return skip(request, size);
    if (ccol_upload_feed(request->upload, data, size) == 0) return MHD_YES;
    return refuse(request, false);
}

/* The last one to know of a request that nobody waits for. */
static void drop_abandoned(struct request *request)
{
    struct mailbox *mailbox = request->mailbox;
    request_free(request);
    ccol__mailbox_unref(mailbox);
}

static void on_done(void *user, ccol_reply *reply)
{
    struct request *request = user;
    request->reply = *reply;
    reply->body = NULL;
    if (!request->mailbox) { /* only look at the handling here: a mailbox's request may outlive it */
        struct handling *handling = request->handling;
        atomic_store(&request->done, true);
        MHD_resume_connection(request->mhd); /* the request may be gone after this */
        atomic_fetch_sub(&handling->pending, 1);
        return;
    }
    if (pthread_equal(request->thread, pthread_self()) && request->calling) {
        atomic_store(&request->done, true);
        return;
    }
    struct mailbox *mailbox = request->mailbox;
    if (ccol__mailbox_put(mailbox, &request->letter))
        ccol__mailbox_unref(mailbox); /* the loop has it, and may have freed it already */
    else
        drop_abandoned(request);
}

static enum MHD_Result finish_mailbox(struct request *request)
{
    request->mailbox = ccol__mailbox_ref(request->handling->mailbox);
    request->thread = pthread_self();
    request->calling = true;
    ccol_upload_finish_async(request->upload, on_done, request);
    /* An answer from another thread waits in the mailbox until this thread comes for it, so that neither suspending
     * after it nor reading `calling` races with it. */
    request->calling = false;
    if (!atomic_load(&request->done)) {
        MHD_suspend_connection(request->mhd);
        return MHD_YES;
    }
    ccol__mailbox_unref(request->mailbox);
    return queue_reply(request);
}

/* Suspending needs the daemon's leave and one of its polling threads to resume; otherwise waiting is all there is. In
 * MHD 0.9.75 threads of single connections are not woken reliably, and would wait for nothing else anyway. */
static enum waiting way_to_wait(const struct request *request)
{
    if (request->handling->waiting != WAITING_SUSPEND) return request->handling->waiting;
    struct MHD_Daemon *daemon = MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_DAEMON)->daemon;
    unsigned flags = (unsigned)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_FLAGS)->flags;
    const unsigned needed = MHD_ALLOW_SUSPEND_RESUME | MHD_USE_INTERNAL_POLLING_THREAD;
    bool can = (flags & needed) == needed && !(flags & MHD_USE_THREAD_PER_CONNECTION);
    return can ? WAITING_SUSPEND : WAITING_BLOCK;
}

static enum MHD_Result finish_upload(struct request *request)
{
    request->state = REQUEST_WAIT;
    request->reply.size = sizeof(request->reply);
    enter(request, CONNECTION_BUSY);
    switch (way_to_wait(request)) {
    case WAITING_MAILBOX:
        return finish_mailbox(request);
    case WAITING_SUSPEND:
        /* Suspended first: resuming what is not suspended yet would be lost. */
        atomic_fetch_add(&request->handling->pending, 1);
        MHD_suspend_connection(request->mhd);
        ccol_upload_finish_async(request->upload, on_done, request);
        return MHD_YES;
    case WAITING_BLOCK:
        ccol_upload_finish(request->upload, &request->reply);
        return queue_reply(request);
    }
    return MHD_NO;
}

/* The body is complete, or the connection has been resumed. */
static enum MHD_Result finish(struct request *request)
{
    switch (request->state) {
    case REQUEST_BODY:
        return finish_upload(request);
    case REQUEST_SKIP:
        return queue_reply(request);
    case REQUEST_WAIT:
        return atomic_load(&request->done) ? queue_reply(request) : MHD_YES;
    case REQUEST_LINGER:
    case REQUEST_ANSWERED:
        break;
    }
    return MHD_NO;
}

enum MHD_Result ccol__request_handle(struct handling *handling, struct MHD_Connection *mhd, const char *url,
                                     const char *method, const char *version, const char *data, size_t *size,
                                     void **context)
{
    const struct connection *connection = connection_of(handling, mhd);
    if (connection && connection->abandoned) {
        *context = NULL; /* it is the collector's now, or gone */
        return MHD_NO;
    }
    if (!*context && connection && connection->phase == CONNECTION_LINGER)
        return MHD_NO; /* its headers came too late */
    if (!*context) return begin(handling, mhd, url, method, version, context);
    if (*size == 0) return finish(*context);
    size_t taken = *size;
    *size = 0;
    return take_body(*context, data, taken);
}

void ccol__request_completed(struct handling *handling, struct MHD_Connection *mhd, void **context)
{
    struct request *request = *context;
    struct connection *connection = connection_of(handling, mhd);
    *context = NULL;
    if (connection) {
        connection->request = NULL;
        ccol__connection_enter(connection, CONNECTION_IDLE, handling->now_ms);
    }
    if (!request || (connection && connection->abandoned)) return;
    if (request->state == REQUEST_BODY && request->upload) ccol_upload_abort(request->upload);
    request_free(request);
}

void ccol__request_deliver(struct letter *letter)
{
    struct request *request = (struct request *)letter;
    atomic_store(&request->done, true);
    MHD_resume_connection(request->mhd);
}

void ccol__request_abandon(struct connection *connection)
{
    struct request *request = connection->request;
    if (connection->phase != CONNECTION_BUSY || !ccol__mailbox_abandon(request->mailbox, &request->letter)) return;
    connection->request = NULL;
    connection->abandoned = true;
    MHD_resume_connection(connection->mhd);
}

void ccol__request_too_slow(struct handling *handling, struct connection *connection)
{
    struct request *request = connection->request;
    ccol_reply reply = {.size = sizeof(reply)};
    ccol__metrics_count(handling->metrics, METRIC_TOO_SLOW, NULL);
    if (connection->encrypted) {
        shutdown(connection->fd, SHUT_RDWR);
        return;
    }
    if (request && request->state == REQUEST_SKIP) {
        write_reply(request);
        return;
    }
    if (request) {
        ccol_upload_abort(request->upload);
        ccol_upload_free(request->upload);
        request->upload = NULL;
        request->state = REQUEST_LINGER;
    }
    if (ccol__reply_text(&reply, MHD_HTTP_REQUEST_TIMEOUT, REPLY_TEXT, "the request came too slowly"))
        ccol__answer_write(connection->fd, &reply, false);
    ccol_reply_clear(&reply);
    ccol__connection_enter(connection, CONNECTION_LINGER, handling->now_ms);
}
