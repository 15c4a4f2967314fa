/* SPDX-License-Identifier: MIT */
/* The unit tests' few words. A test program is a main() of RUN(case) lines that ends in `return check_done();`. */
#ifndef CCOL_TESTS_CHECK_H
#define CCOL_TESTS_CHECK_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int check_failures, check_count; /* servers that tests start check on threads of their own */
static const char *check_case = "";

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        check_count++;                                                                                                 \
        if (!(condition)) {                                                                                            \
            check_failures++;                                                                                          \
            fprintf(stderr, "%s:%d: %s: failed: %s\n", __FILE__, __LINE__, check_case, #condition);                    \
        }                                                                                                              \
    } while (0)

#define CHECK_INT(actual, expected)                                                                                    \
    do {                                                                                                               \
        long long check_a = (long long)(actual), check_b = (long long)(expected);                                      \
        check_count++;                                                                                                 \
        if (check_a != check_b) {                                                                                      \
            check_failures++;                                                                                          \
            fprintf(stderr, "%s:%d: %s: %s is %lld, expected %lld\n", __FILE__, __LINE__, check_case, #actual,         \
                    check_a, check_b);                                                                                 \
        }                                                                                                              \
    } while (0)

#define CHECK_TEXT(actual, expected)                                                                                   \
    do {                                                                                                               \
        const char *check_a = (actual), *check_b = (expected);                                                         \
        check_count++;                                                                                                 \
        if (!check_a || strcmp(check_a, check_b) != 0) {                                                               \
            check_failures++;                                                                                          \
            fprintf(stderr, "%s:%d: %s: %s is \"%s\", expected \"%s\"\n", __FILE__, __LINE__, check_case, #actual,     \
                    check_a ? check_a : "(null)", check_b);                                                            \
        }                                                                                                              \
    } while (0)

/* For what later lines rely on. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        check_count++;                                                                                                 \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s: required: %s\n", __FILE__, __LINE__, check_case, #condition);                  \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define RUN(function)                                                                                                  \
    do {                                                                                                               \
        check_case = #function;                                                                                        \
        function();                                                                                                    \
    } while (0)

static inline int check_done(void)
{
    printf("%d checks, %d failed\n", check_count, check_failures);
    return check_failures ? 1 : 0;
}

#endif
