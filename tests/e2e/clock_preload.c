/* SPDX-License-Identifier: MIT */
/* A machine whose clock is wrong: CCOL_CLOCK_SHIFT seconds are added to the time of day. */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(clock, now);
    const char *shift = getenv("CCOL_CLOCK_SHIFT");
    if (code == 0 && shift && clock == CLOCK_REALTIME) now->tv_sec += strtol(shift, NULL, 10);
    return code;
}
