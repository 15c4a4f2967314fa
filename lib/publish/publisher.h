/* SPDX-License-Identifier: MIT */
/* A publisher from the inside. */
#ifndef CCOL_PUBLISH_PUBLISHER_H
#define CCOL_PUBLISH_PUBLISHER_H

#include <crashcollect/publish.h>

/* Of one message, where the options say nothing. */
#define PUBLISH_TIMEOUT_MS 10000
/* What Antenna sends at start; consumers must ignore it. */
#define PUBLISH_TEST_MESSAGE "test"

/* Whether its check says anything: a class without one is always well. */
bool ccol__publisher_has_check(const ccol_publisher *publisher);

#endif
