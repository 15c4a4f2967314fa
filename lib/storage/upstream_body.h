/* SPDX-License-Identifier: MIT */
/* A report as the multipart body that a client would have sent. */
#ifndef CCOL_STORAGE_UPSTREAM_BODY_H
#define CCOL_STORAGE_UPSTREAM_BODY_H

#include "base/buffer.h"
#include "net/http_client.h"
#include "report/report.h"

struct upstream_body {
    char content_type[96];
    struct http_piece *pieces; /* parts of `text`, and the report's files where they lie */
    size_t piece_count;
    struct buffer text;
};

/* Lives no longer than the report. with_id: the crash id goes along, for who trusts us. -ENOMEM, -EIO (no random
 * bytes); in any case _fini is to be called. */
int ccol__upstream_body_init(struct upstream_body *body, const ccol_report *report, bool with_id);
/* Makes it one piece, compressed by gzip. -ENOMEM. */
int ccol__upstream_body_compress(struct upstream_body *body);
void ccol__upstream_body_fini(struct upstream_body *body);

#endif
