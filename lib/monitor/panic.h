/* SPDX-License-Identifier: MIT */
/* Panic and exception texts in what a program writes: bytes in, whole blocks out. Each runtime has a file panic_NAME.c.
 *
 * A block is reported once its end was seen: by its form, by a line that cannot belong to it, or because the caller
 * says that nothing more came (idle, end). Lines of other threads in between, colours, CRLF and what a logger puts
 * before each line are seen past. All of it takes linear time and a fixed ceiling of memory. Not thread-safe. */
#ifndef CCOL_MONITOR_PANIC_H
#define CCOL_MONITOR_PANIC_H

#include <crashcollect/error.h>

#include "base/buffer.h"

/* X(NAME, "name in reports") */
#define PANIC_RUNTIMES(X)                                                                                              \
    X(RUST, "rust")                                                                                                    \
    X(GO, "go")                                                                                                        \
    X(PYTHON, "python")                                                                                                \
    X(CPP, "cpp")                                                                                                      \
    X(GLIBC, "glibc")                                                                                                  \
    X(NODE, "node")                                                                                                    \
    X(JAVA, "java")                                                                                                    \
    X(SANITIZER, "sanitizer")

enum panic_runtime {
#define PANIC_RUNTIME_ENUM_(name, text) PANIC_##name,
    PANIC_RUNTIMES(PANIC_RUNTIME_ENUM_)
#undef PANIC_RUNTIME_ENUM_
        PANIC_RUNTIME_COUNT
};

#define PANIC_FRAMES_MAX     256 /* per exception; of more, the innermost are kept */
#define PANIC_EXCEPTIONS_MAX 16

/* Texts are NUL-terminated UTF-8, "" where the block does not tell; numbers are then 0. */
struct panic_frame {
    const char *function, *module, *file;
    unsigned line, column;
};

struct panic_exception {
    const char *type, *value, *module;
    const struct panic_frame *frames; /* innermost first */
    size_t frame_count;
};

struct panic {
    enum panic_runtime runtime;
    const char *thread;                       /* its name */
    uint64_t thread_id;                       /* as the runtime counts: a kernel's tid for Rust, a goroutine's number */
    const struct panic_exception *exceptions; /* oldest (the cause) first; at least one */
    size_t exception_count;
    uint64_t begin, end; /* offsets in the stream: of its first byte, and behind its last */
    bool aborts;         /* the text says that the process ends with it */
    bool truncated;      /* a limit cut something off */
};

/* What is handed over lives until the callback returns. */
typedef void (*panic_fn)(void *user, const struct panic *panic);

struct panic_reader;
/* -ENOMEM. */
int ccol__panic_reader_new(struct panic_reader **out, panic_fn on_panic, void *user);
/* Bytes as they came, cut anywhere. The callback may be called from here, and from idle and end. */
void ccol__panic_reader_feed(struct panic_reader *reader, const char *data, size_t length);
/* The same for who has cleaned lines already (line_splitter.h); begin and end are their offsets in the stream. Not to
 * be mixed with feed. Returns true if the line was taken as a part of a block (one that may yet turn out to be none).
 */
bool ccol__panic_reader_line(struct panic_reader *reader, const char *line, size_t length, uint64_t begin,
                             uint64_t end);
/* Nothing came for a while (200 ms are plenty): what is open is complete. */
void ccol__panic_reader_idle(struct panic_reader *reader);
/* The stream is over: takes a last line without a newline as well. */
void ccol__panic_reader_end(struct panic_reader *reader);
/* Whether a block is open or held back until what follows it is known. */
bool ccol__panic_reader_is_open(const struct panic_reader *reader);
void ccol__panic_reader_free(struct panic_reader *reader);

/* "rust", "go", ... */
const char *ccol__panic_runtime_name(enum panic_runtime runtime);

/* Appends the elements of stacktrace_json's list "exceptions", with commas between them, without the brackets. */
bool ccol__panic_write_exceptions(struct buffer *out, const struct panic *panic);
/* A copy that outlives the callback, in one piece of memory freed with free(); NULL: memory. */
struct panic *ccol__panic_copy(const struct panic *panic);

#endif
