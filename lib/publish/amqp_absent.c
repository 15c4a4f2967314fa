/* SPDX-License-Identifier: MIT */
/* In the place of amqp.c where librabbitmq was not there, or not wanted, at build time. */
#include <errno.h>

#include <crashcollect/publish.h>

int ccol_publisher_new_amqp(ccol_publisher **out, const ccol_amqp_options *options, ccol_error *err)
{
    (void)out;
    (void)options;
    return ccol_fail(err, CCOL_EREJECTED,
                     "built without AMQP: install librabbitmq's development files (Debian: librabbitmq-dev), configure "
                     "again with -DCCOL_AMQP=ON, build and install");
}
