/* SPDX-License-Identifier: MIT */
/* libcrashcollect: collect, queue, store and ship crash reports. Includes every public header but microhttpd.h. */
#ifndef CRASHCOLLECT_H
#define CRASHCOLLECT_H

#include <crashcollect/api.h>
#include <crashcollect/capture.h>
#include <crashcollect/collector.h>
#include <crashcollect/error.h>
#include <crashcollect/health.h>
#include <crashcollect/incident.h>
#include <crashcollect/log.h>
#include <crashcollect/monitor.h>
#include <crashcollect/publish.h>
#include <crashcollect/report.h>
#include <crashcollect/server.h>
#include <crashcollect/settings.h>
#include <crashcollect/spool.h>
#include <crashcollect/storage.h>
#include <crashcollect/throttle.h>
#include <crashcollect/upload.h>

#endif
