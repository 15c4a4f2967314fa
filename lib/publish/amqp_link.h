/* SPDX-License-Identifier: MIT */
/* One connection to an AMQP 0-9-1 broker, with a channel that confirms what is published (librabbitmq). Every call has
 * a deadline. One thread at a time. */
#ifndef CCOL_PUBLISH_AMQP_LINK_H
#define CCOL_PUBLISH_AMQP_LINK_H

#include <crashcollect/error.h>

struct amqp_place {
    const char *host, *user, *password, *vhost;
    int port;
    bool tls;
    const char *ca_file; /* "": the system's CAs */
    unsigned timeout_ms; /* of each step */
    unsigned heartbeat_s;
};

struct amqp_link;
/* Connects, logs in, opens the channel. Transport errors are -errno or CCOL_EREMOTE; CCOL_EREJECTED: the broker, or
 * TLS, refused us, which does not pass by itself. */
int ccol__amqp_link_open(struct amqp_link **out, const struct amqp_place *place, ccol_error *err);
void ccol__amqp_link_close(struct amqp_link *link);

/* Asks whether the exchange, or with "" the queue of that name, is there. CCOL_EREJECTED: it is not. */
int ccol__amqp_link_look_up(struct amqp_link *link, const char *exchange, const char *queue, ccol_error *err);
/* Publishes a persistent message and waits until the broker has confirmed it. After an error other than CCOL_EREMOTE
 * the link is of no more use. CCOL_EREMOTE: it was returned or refused. */
int ccol__amqp_link_publish(struct amqp_link *link, const char *exchange, const char *routing_key, const char *text,
                            ccol_error *err);
/* Sends a heartbeat if one is due and sees what came in meanwhile. false: the link is dead. */
bool ccol__amqp_link_tend(struct amqp_link *link);

#endif
