/* SPDX-License-Identifier: MIT */
#include "base/log_writer.h"
#include "settings/assembly.h"

static const char *text(const ccol_settings *settings, enum setting_id id)
{
    return ccol__settings_value(settings, id);
}

static unsigned timeout_ms(const ccol_settings *settings)
{
    return ccol__assembly_amount(settings, SETTING_PUBLISH_TIMEOUT);
}

static int open_nobody(ccol_settings *settings, ccol_publisher **out, ccol_error *err)
{
    (void)settings;
    (void)err;
    *out = NULL;
    return 0;
}

static int open_log(ccol_settings *settings, ccol_publisher **out, ccol_error *err)
{
    return ccol_publisher_new_log(out, ccol__log_writer_line, settings->log_writer, err);
}

static int open_webhook(ccol_settings *settings, ccol_publisher **out, ccol_error *err)
{
    const ccol_webhook_options options = {.size = sizeof options,
                                          .url = text(settings, SETTING_WEBHOOK_URL),
                                          .secret = text(settings, SETTING_WEBHOOK_SECRET),
                                          .ca_file = text(settings, SETTING_PUBLISH_CA_FILE),
                                          .timeout_ms = timeout_ms(settings)};
    return ccol_publisher_new_webhook(out, &options, err);
}

static int open_sqs(ccol_settings *settings, ccol_publisher **out, ccol_error *err)
{
    const ccol_sqs_options options = {.size = sizeof options,
                                      .queue = text(settings, SETTING_SQS_QUEUE),
                                      .region = text(settings, SETTING_SQS_REGION),
                                      .endpoint_url = text(settings, SETTING_SQS_ENDPOINT_URL),
                                      .access_key_id = text(settings, SETTING_SQS_ACCESS_KEY_ID),
                                      .secret_access_key = text(settings, SETTING_SQS_SECRET_ACCESS_KEY),
                                      .ca_file = text(settings, SETTING_PUBLISH_CA_FILE),
                                      .timeout_ms = timeout_ms(settings)};
    return ccol_publisher_new_sqs(out, &options, err);
}

static int open_pubsub(ccol_settings *settings, ccol_publisher **out, ccol_error *err)
{
    const ccol_pubsub_options options = {.size = sizeof options,
                                         .topic = text(settings, SETTING_PUBSUB_TOPIC),
                                         .project = text(settings, SETTING_PUBSUB_PROJECT),
                                         .key_file = text(settings, SETTING_PUBSUB_KEY_FILE),
                                         .endpoint_url = text(settings, SETTING_PUBSUB_ENDPOINT_URL),
                                         .emulator_host = text(settings, SETTING_PUBSUB_EMULATOR),
                                         .ca_file = text(settings, SETTING_PUBLISH_CA_FILE),
                                         .timeout_ms = timeout_ms(settings)};
    return ccol_publisher_new_pubsub(out, &options, err);
}

static int open_amqp(ccol_settings *settings, ccol_publisher **out, ccol_error *err)
{
    const ccol_amqp_options options = {.size = sizeof options,
                                       .url = text(settings, SETTING_AMQP_URL),
                                       .queue = text(settings, SETTING_AMQP_QUEUE),
                                       .exchange = text(settings, SETTING_AMQP_EXCHANGE),
                                       .routing_key = text(settings, SETTING_AMQP_ROUTING_KEY),
                                       .ca_file = text(settings, SETTING_PUBLISH_CA_FILE),
                                       .timeout_ms = timeout_ms(settings)};
    return ccol_publisher_new_amqp(out, &options, err);
}

int ccol__assembly_open_publisher(ccol_settings *settings, ccol_publisher **out, ccol_error *err)
{
    /* In the order of the setting's choices. */
    static int (*const openers[])(ccol_settings *, ccol_publisher **, ccol_error *) = {
        open_nobody, open_log, open_webhook, open_sqs, open_pubsub, open_amqp};
    return openers[ccol__assembly_choice(settings, SETTING_PUBLISH)](settings, out, err);
}
