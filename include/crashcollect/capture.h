/* SPDX-License-Identifier: MIT */
/* For a program that may run under crashcollect-run: what it knows of itself goes into its crash report, and what it
 * logged last is there even if it was still in a queue of its own. All of it does nothing, at once, when nobody
 * watches.
 *
 * A program that wants nothing else of libcrashcollect links libcrashcollect-capture, which needs no other library. */
#ifndef CRASHCOLLECT_CAPTURE_H
#define CRASHCOLLECT_CAPTURE_H

#include <crashcollect/error.h>
#include <crashcollect/log.h>

CCOL_BEGIN

/* Call it early, from one thread. Where the monitor does not trace the program (modes attach and preload) it installs a
 * handler for SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP and SIGSYS with an alternate stack for this thread. A
 * handler that was there before is called first; only when it gives up is the crash reported. A second call does
 * nothing. The process afterwards dies of the same signal as it would without. -errno with the cause in err (may be
 * NULL); 0 also when nobody watches. */
CCOL_API int ccol_capture_install(ccol_error *err);

/* Whether a monitor watches this process. */
CCOL_API bool ccol_capture_is_watched(void);

/* Gives the calling thread an alternate stack, so that its stack overflow can be reported; freed when it ends. The
 * preload library does it for every thread by itself. -errno. */
CCOL_API int ccol_capture_thread(void);

/* What follows may be called from any thread and from signal handlers, takes no lock and never waits. */

/* Sets one annotation of a later report; NULL takes it away. 0; -EINVAL: the name is empty; -E2BIG: the name has more
 * than 63 bytes or the value more than 1983; -ENOSPC: there are 64 already; -EBUSY: another thread is writing the same
 * one. */
CCOL_API int ccol_capture_annotate(const char *name, const char *value);

/* One step on the way to a crash: the newest are kept. category may be NULL; text is cut at 4 KB. */
CCOL_API void ccol_capture_breadcrumb(ccol_level level, const char *category, const char *text);

/* A line for the report's log, at the moment it is logged, for loggers that write later from a thread of their own. */
CCOL_API void ccol_capture_log(ccol_level level, const char *text, size_t length);

/* Why the program is about to abort: at most 255 bytes, the last call counts. */
CCOL_API void ccol_capture_message(const char *text);

CCOL_END

#endif
