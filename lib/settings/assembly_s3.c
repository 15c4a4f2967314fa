/* SPDX-License-Identifier: MIT */
/* From settings to an S3 bucket. */
#include "base/log_writer.h"
#include "settings/assembly.h"

int ccol__assembly_new_s3(const ccol_settings *settings, ccol_storage **out, ccol_error *err)
{
    const char *encryption = ccol__settings_value(settings, SETTING_S3_SSE);
    const ccol_s3_options options = {
        .size = sizeof options,
        .bucket = ccol__settings_value(settings, SETTING_S3_BUCKET),
        .region = ccol__settings_value(settings, SETTING_S3_REGION),
        .endpoint_url = ccol__settings_value(settings, SETTING_S3_ENDPOINT_URL),
        .access_key_id = ccol__settings_value(settings, SETTING_S3_ACCESS_KEY_ID),
        .secret_access_key = ccol__settings_value(settings, SETTING_S3_SECRET_ACCESS_KEY),
        .session_token = ccol__settings_value(settings, SETTING_S3_SESSION_TOKEN),
        .layout = ccol__settings_value(settings, SETTING_S3_LAYOUT),
        .addressing = ccol__settings_value(settings, SETTING_S3_ADDRESSING),
        .payload_signing = ccol__settings_value(settings, SETTING_S3_PAYLOAD_SIGNING),
        .server_side_encryption = ccol__setting_is_off(SETTING_S3_SSE, encryption) ? NULL : encryption,
        .kms_key_id = ccol__settings_value(settings, SETTING_S3_KMS_KEY_ID),
        .storage_class = ccol__settings_value(settings, SETTING_S3_STORAGE_CLASS),
        .headers = ccol__settings_value(settings, SETTING_S3_HEADERS),
        .ca_file = ccol__settings_value(settings, SETTING_S3_CA_FILE),
        .proxy = ccol__settings_value(settings, SETTING_S3_PROXY),
        .timeout_ms = ccol__assembly_amount(settings, SETTING_S3_TIMEOUT),
        .log = ccol__log_writer_line,
        .log_user = settings->log_writer,
    };
    return ccol_storage_new_s3(out, &options, err);
}
