/* SPDX-License-Identifier: MIT */
/* Every form in which a server may ask for a pause. */
#include "net/sentry_limits.h"

#include "check.h"

#define NOW 1000000u

static struct sentry_limits limits;

static void take(int status, const char *header, const char *retry_after)
{
    memset(&limits, 0, sizeof limits);
    ccol__sentry_limits_take(&limits, status, header, retry_after, NOW);
}

static unsigned wait_s(unsigned categories)
{
    return ccol__sentry_limits_wait_s(&limits, categories, NOW);
}

static void by_category(void)
{
    take(200, "60:error;attachment:organization:reason:ns", NULL);
    CHECK_INT(wait_s(CATEGORY_ERROR), 60);
    CHECK_INT(wait_s(CATEGORY_ATTACHMENT), 60);
    CHECK_INT(wait_s(CATEGORY_SESSION), 0);
    take(429, " 10 : error : key , 2.5:session", "99");
    CHECK_INT(wait_s(CATEGORY_ERROR), 10);
    CHECK_INT(wait_s(CATEGORY_SESSION), 3);
    CHECK_INT(wait_s(CATEGORY_LOG), 0);
    take(200, "5:default:org", NULL);
    CHECK_INT(wait_s(CATEGORY_ERROR), 5);
}

static void all_categories(void)
{
    take(429, "7::organization", NULL);
    CHECK_INT(wait_s(CATEGORY_ERROR), 7);
    CHECK_INT(wait_s(CATEGORY_LOG), 7);
    take(429, "8", NULL);
    CHECK_INT(wait_s(CATEGORY_INTERNAL), 8);
}

static void unknown_ones(void)
{
    take(200, "60:profile_chunk;whatever:org", NULL);
    CHECK_INT(wait_s(CATEGORY_ERROR), 0);
    take(200, "60:whatever;error:org", NULL);
    CHECK_INT(wait_s(CATEGORY_ERROR), 60);
    take(200, "nonsense", NULL);
    CHECK_INT(wait_s(CATEGORY_ERROR), 0);
    take(200, "-5:error:org", NULL);
    CHECK_INT(wait_s(CATEGORY_ERROR), 0);
    take(200, "1e999:error:org, ::, ,:::,3:error", NULL);
    CHECK_INT(wait_s(CATEGORY_ERROR), 3);
}

static void huge_ones(void)
{
    take(200, "99999999999999999999999999999999:error:org", NULL);
    CHECK_INT(wait_s(CATEGORY_ERROR), SENTRY_LIMIT_MAX_S);
    take(200, "0.00000000000000000000000000000000000001:error:org", NULL);
    CHECK_INT(wait_s(CATEGORY_ERROR), 0);
    take(429, NULL, "18446744073709551617");
    CHECK_INT(wait_s(CATEGORY_ERROR), SENTRY_LIMIT_MAX_S);
}

static void retry_after(void)
{
    take(429, NULL, "12");
    CHECK_INT(wait_s(CATEGORY_ERROR), 12);
    take(429, NULL, NULL);
    CHECK_INT(wait_s(CATEGORY_SESSION), 60);
    take(429, NULL, "Wed, 21 Oct 2015 07:28:00 GMT");
    CHECK_INT(wait_s(CATEGORY_ERROR), 60);
    take(503, NULL, "12"); /* an outage is no limit */
    CHECK_INT(wait_s(CATEGORY_ERROR), 0);
    take(429, "9:session:org", "50"); /* the header that says more wins */
    CHECK_INT(wait_s(CATEGORY_ERROR), 0);
}

static void the_longer_holds(void)
{
    take(429, "60:error", NULL);
    ccol__sentry_limits_take(&limits, 200, "5:error", NULL, NOW);
    CHECK_INT(wait_s(CATEGORY_ERROR), 60);
    CHECK_INT(ccol__sentry_limits_wait_s(&limits, CATEGORY_ERROR, NOW + 59001), 1);
    CHECK_INT(ccol__sentry_limits_wait_s(&limits, CATEGORY_ERROR, NOW + 60000), 0);
}

int main(void)
{
    RUN(by_category);
    RUN(all_categories);
    RUN(unknown_ones);
    RUN(huge_ones);
    RUN(retry_after);
    RUN(the_longer_holds);
    return check_done();
}
