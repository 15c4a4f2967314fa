/* SPDX-License-Identifier: MIT */
/* pigeon: takes S3 event notifications and publishes the ids of the crashes that were stored. See README.md. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consume.h"
#include "webhook.h"

#define ATTEMPTS     10
#define ATTEMPTS_MAX 1000

static const char usage[] = "usage: pigeon < EVENTS           one event per line, as JSON\n"
                            "       pigeon listen HOST:PORT   events that are posted\n"
                            "       pigeon consume QUEUE      events that lie in an AMQP queue\n"
                            "Publishes to RabbitMQ the crash ids of stored crashes, all of:\n"
                            "  PIGEON_URL         broker to publish to: amqp[s]://USER:PASSWORD@HOST[:PORT][/VHOST]\n"
                            "  PIGEON_QUEUE       queues: NAME,... or PERCENT:NAME for a share of the ids\n"
                            "  PIGEON_SOURCE_URL  broker to consume from [PIGEON_URL]\n"
                            "  PIGEON_CA_FILE     the CAs to trust for amqps when consuming, PEM [the system's]\n"
                            "  PIGEON_ATTEMPTS    attempts, a second apart, before an event is given back [10]\n"
                            "Exit status: 0 done or told to end, 1 failed, 2 wrong usage.\n";

static volatile sig_atomic_t stopping;

static void stop(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

static int fail(const ccol_error *err)
{
    fprintf(stderr, "pigeon: %s\n", err->text);
    return 1;
}

static unsigned attempts_wanted(void)
{
    const char *text = getenv("PIGEON_ATTEMPTS");
    unsigned long wanted = text ? strtoul(text, NULL, 10) : ATTEMPTS;
    return wanted >= 1 && wanted <= ATTEMPTS_MAX ? (unsigned)wanted : ATTEMPTS;
}

/* Every event of stdin; the first that cannot be published ends it, so that the caller may send the rest again. */
static int read_lines(struct queues *queues, unsigned attempts)
{
    char *line = NULL;
    size_t size = 0;
    int status = 0;
    for (ssize_t length; !stopping && status == 0 && (length = getline(&line, &size, stdin)) > 0;) {
        ccol_error err = {0};
        if (strspn(line, " \t\r\n") == (size_t)length) continue;
        int code = queues_take_event(queues, line, (size_t)length, attempts, &err);
        if (code) status = fail(&err);
    }
    free(line);
    return status;
}

static int listen_on(const char *address, struct queues *queues, unsigned attempts)
{
    char host[64];
    const char *colon = strrchr(address, ':');
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 65536;
    struct webhook *webhook = NULL;
    ccol_error err = {0};
    if (port > 65535 || (size_t)(colon - address) >= sizeof host) {
        fprintf(stderr, "pigeon: \"%.80s\" is no HOST:PORT\n%s", address, usage);
        return 2;
    }
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL); /* before threads are started, so that none of them gets it */
    if (webhook_start(&webhook, host, (unsigned short)port, queues, attempts, &err)) return fail(&err);
    int got;
    sigwait(&ends, &got);
    webhook_stop(webhook);
    return 0;
}

static int consume_from(const char *queue, const char *url, struct queues *queues, unsigned attempts)
{
    const struct sigaction action = {.sa_handler = stop};
    const char *source = getenv("PIGEON_SOURCE_URL");
    ccol_error err = {0};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    return consume_run(source ? source : url, queue, queues, attempts, &stopping, &err) ? fail(&err) : 0;
}

int main(int argc, char **argv)
{
    const char *url = getenv("PIGEON_URL"), *list = getenv("PIGEON_QUEUE");
    bool listens = argc == 3 && strcmp(argv[1], "listen") == 0, consumes = argc == 3 && strcmp(argv[1], "consume") == 0;
    struct queues *queues = NULL;
    ccol_error err = {0};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) return fputs(usage, stdout) < 0;
    if ((argc != 1 && !listens && !consumes) || !url || !list) {
        fputs(usage, stderr);
        return 2;
    }
    if (queues_new(&queues, url, list, &err)) return fail(&err);
    unsigned attempts = attempts_wanted();
    int status = listens    ? listen_on(argv[2], queues, attempts)
                 : consumes ? consume_from(argv[2], url, queues, attempts)
                            : read_lines(queues, attempts);
    queues_free(queues);
    return status;
}
