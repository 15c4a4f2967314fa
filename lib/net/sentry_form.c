/* SPDX-License-Identifier: MIT */
#include "net/sentry_form.h"

#include <errno.h>

#include "base/hash.h"
#include "base/random.h"

int ccol__sentry_form_init(struct sentry_form *form, const char *event, size_t length)
{
    uint8_t random[sizeof form->boundary / 2];
    ccol__pieces_init(&form->pieces);
    if (!ccol__random_bytes(random, sizeof random)) return -EIO;
    ccol__hex(form->boundary, random, sizeof random);
    ccol__buffer_format(&form->pieces.text, "--%s\r\nContent-Disposition: form-data; name=\"sentry\"\r\n\r\n",
                        form->boundary);
    ccol__pieces_text(&form->pieces);
    ccol__pieces_data(&form->pieces, event, length);
    return 0;
}

void ccol__sentry_form_add(struct sentry_form *form, const char *name, const char *filename, const void *data,
                           size_t length)
{
    ccol__buffer_format(&form->pieces.text,
                        "\r\n--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\n"
                        "Content-Type: application/octet-stream\r\n\r\n",
                        form->boundary, name, filename);
    ccol__pieces_text(&form->pieces);
    ccol__pieces_data(&form->pieces, data, length);
}

void ccol__sentry_form_end(struct sentry_form *form)
{
    ccol__buffer_format(&form->pieces.text, "\r\n--%s--\r\n", form->boundary);
    ccol__pieces_text(&form->pieces);
}

void ccol__sentry_form_fini(struct sentry_form *form)
{
    ccol__pieces_fini(&form->pieces);
}
