/* SPDX-License-Identifier: MIT */
/* Publishes to an AMQP 0-9-1 broker such as RabbitMQ. Each message is confirmed by the broker before it counts; as many
 * connections are kept as messages were under way at once, so that nobody waits behind a confirm that is slow. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <amqp.h>

#include <crashcollect/publish.h>

#include "base/clock.h"
#include "base/error.h"
#include "net/http_answer.h"
#include "publish/amqp_link.h"
#include "publish/publisher.h"

#define LINKS_MAX   256 /* kept while idle */
#define HEARTBEAT_S 30

struct kept_link {
    struct amqp_link *link;
    uint64_t tended_ms;
};

struct amqp {
    char *url; /* taken apart in place: the texts of `place` lie in it */
    struct amqp_place place;
    char *ca_file, *exchange, *routing_key;
    pthread_mutex_t lock; /* guards the rest */
    struct kept_link kept[LINKS_MAX];
    size_t kept_count;
};

/* A link that was kept and is alive, or NULL. Its heartbeat must not be overdue: the broker gives up after two. */
static struct amqp_link *take_kept(struct amqp *amqp)
{
    for (;;) {
        pthread_mutex_lock(&amqp->lock);
        struct kept_link kept = {0};
        if (amqp->kept_count) kept = amqp->kept[--amqp->kept_count];
        pthread_mutex_unlock(&amqp->lock);
        if (!kept.link) return NULL;
        bool overdue = ccol__clock_monotonic_ms() - kept.tended_ms > amqp->place.heartbeat_s * UINT64_C(1000);
        if (!overdue && ccol__amqp_link_tend(kept.link)) return kept.link;
        ccol__amqp_link_close(kept.link);
    }
}

static void keep(struct amqp *amqp, struct amqp_link *link)
{
    pthread_mutex_lock(&amqp->lock);
    bool room = amqp->kept_count < LINKS_MAX;
    if (room) amqp->kept[amqp->kept_count++] = (struct kept_link){link, ccol__clock_monotonic_ms()};
    pthread_mutex_unlock(&amqp->lock);
    if (!room) ccol__amqp_link_close(link);
}

static int publish_by(struct amqp *amqp, struct amqp_link *link, const char *crash_id, ccol_error *err)
{
    int code = ccol__amqp_link_publish(link, amqp->exchange, amqp->routing_key, crash_id, err);
    if (!code || code == CCOL_EREMOTE)
        keep(amqp, link);
    else
        ccol__amqp_link_close(link);
    return code;
}

/* What does not pass by itself may still be mended by an operator, so that no id is given up. */
static int transient(int code, ccol_error *err)
{
    if (!ccol_error_is_permanent(code)) return code;
    if (err) err->code = CCOL_EREMOTE;
    return CCOL_EREMOTE;
}

static int publish(void *self, const char *crash_id, ccol_error *err)
{
    struct amqp *amqp = self;
    struct amqp_link *link = take_kept(amqp);
    int code = link ? publish_by(amqp, link, crash_id, err) : -ECONNRESET;
    if (code != -ECONNRESET) return transient(code, err);
    code = ccol__amqp_link_open(&link, &amqp->place, err); /* the kept one had died, or there was none */
    if (!code) code = publish_by(amqp, link, crash_id, err);
    return transient(code, err);
}

static int verify(void *self, ccol_error *err)
{
    struct amqp *amqp = self;
    struct amqp_link *link;
    int code = ccol__amqp_link_open(&link, &amqp->place, err);
    if (!code) {
        code = ccol__amqp_link_look_up(link, amqp->exchange, amqp->routing_key, err);
        if (code)
            ccol__amqp_link_close(link);
        else
            keep(amqp, link);
    }
    return ccol__http_verified(code, 0);
}

/* Also sends the heartbeats of all that are idle: each is taken once, the one that waited longest first. */
static int check(void *self, ccol_error *err)
{
    struct amqp *amqp = self;
    struct kept_link idle[LINKS_MAX];
    size_t alive = 0;
    pthread_mutex_lock(&amqp->lock);
    size_t count = amqp->kept_count;
    memcpy(idle, amqp->kept, count * sizeof idle[0]);
    amqp->kept_count = 0;
    pthread_mutex_unlock(&amqp->lock);
    for (size_t i = 0; i < count; i++) {
        if (ccol__amqp_link_tend(idle[i].link)) {
            keep(amqp, idle[i].link);
            alive++;
        } else {
            ccol__amqp_link_close(idle[i].link);
        }
    }
    if (alive) return 0;
    struct amqp_link *link;
    int code = ccol__amqp_link_open(&link, &amqp->place, err);
    if (!code) keep(amqp, link);
    return code;
}

static void destroy(void *self)
{
    struct amqp *amqp = self;
    for (size_t i = 0; i < amqp->kept_count; i++)
        ccol__amqp_link_close(amqp->kept[i].link);
    /* with NULs in the place of its separators */
    if (amqp->place.password) explicit_bzero((char *)(uintptr_t)amqp->place.password, strlen(amqp->place.password));
    pthread_mutex_destroy(&amqp->lock);
    free(amqp->url);
    free(amqp->ca_file);
    free(amqp->exchange);
    free(amqp->routing_key);
    free(amqp);
}

static int take_url(struct amqp *amqp, const char *url, ccol_error *err)
{
    struct amqp_connection_info info;
    amqp->url = strdup(url);
    if (!amqp->url) return ccol_fail(err, -ENOMEM, "cannot make a publisher");
    if (amqp_parse_url(amqp->url, &info) != AMQP_STATUS_OK) {
        explicit_bzero(amqp->url, strlen(url));
        return ccol_fail(err, -EINVAL, "ccol_amqp_options.url must be amqp[s]://USER:PASSWORD@HOST[:PORT][/VHOST]");
    }
    amqp->place.host = info.host;
    amqp->place.user = info.user;
    amqp->place.password = info.password;
    amqp->place.port = info.port;
    amqp->place.tls = info.ssl;
    amqp->place.vhost = info.vhost && *info.vhost ? info.vhost : "/"; /* "amqp://HOST/" means that, too */
    return 0;
}

/* false: memory. */
static bool copy(char **out, const char *text)
{
    *out = strdup(text ? text : "");
    return *out != NULL;
}

static int fill(struct amqp *amqp, const ccol_amqp_options *options, ccol_error *err)
{
    bool has_exchange = options->exchange && *options->exchange;
    const char *key = has_exchange ? options->routing_key : options->queue;
    pthread_mutex_init(&amqp->lock, NULL);
    amqp->place.timeout_ms = options->timeout_ms ? options->timeout_ms : PUBLISH_TIMEOUT_MS;
    amqp->place.heartbeat_s = options->heartbeat_s ? options->heartbeat_s : HEARTBEAT_S;
    if (!options->url || (!has_exchange && (!key || !*key)))
        return ccol_fail(err, -EINVAL, "ccol_amqp_options needs url and queue, or url and exchange");
    if (!copy(&amqp->exchange, options->exchange) || !copy(&amqp->routing_key, key) ||
        !copy(&amqp->ca_file, options->ca_file))
        return ccol_fail(err, -ENOMEM, "cannot make a publisher");
    amqp->place.ca_file = amqp->ca_file;
    return take_url(amqp, options->url, err);
}

int ccol_publisher_new_amqp(ccol_publisher **out, const ccol_amqp_options *options, ccol_error *err)
{
    static const ccol_publisher_ops amqp_ops = {.size = sizeof amqp_ops,
                                                .name = "amqp",
                                                .publish = publish,
                                                .verify = verify,
                                                .check = check,
                                                .destroy = destroy};
    ccol_amqp_options known;
    int code = ccol__struct_in(&known, sizeof known, options, "ccol_amqp_options", err);
    if (code) return code;
    struct amqp *amqp = calloc(1, sizeof *amqp);
    if (!amqp) return ccol_fail(err, -ENOMEM, "cannot make a publisher");
    code = fill(amqp, &known, err);
    if (!code) code = ccol_publisher_new(out, &amqp_ops, amqp, err);
    if (code) destroy(amqp);
    return code;
}
