/* SPDX-License-Identifier: MIT */
#include "storage/sentry_stack.h"

#include <string.h>

#define OUTERMOST 5 /* one of so many frames that are kept is at the far end of a stack that is too deep */

struct stack {
    struct json_builder *builder;
    const struct json *root, *crash, *modules;
    const struct sentry_fit *fit;
};

struct json *ccol__sentry_text(struct json_builder *builder, const char *text, size_t most)
{
    size_t length = text ? strlen(text) : 0;
    if (!length) return NULL;
    if (length > most) {
        length = most;
        while (length && ((unsigned char)text[length] & 0xC0) == 0x80)
            length--;
    }
    return ccol__json_new_text(builder, text, length);
}

static void put_text(const struct stack *stack, struct json *object, const char *key, const char *text)
{
    ccol__json_put(stack->builder, object, key, ccol__sentry_text(stack->builder, text, stack->fit->text));
}

static const struct json *module_at(const struct stack *stack, const struct json *frame)
{
    uint64_t index;
    const struct json *module = stack->modules;
    if (!ccol__json_count(frame, "module", &index)) return NULL;
    for (; module && index; module = module->next)
        index--;
    return module;
}

static bool starts_with_any(const char *text, const char *const *prefixes)
{
    for (; text && *prefixes; prefixes++)
        if (strncmp(text, *prefixes, strlen(*prefixes)) == 0) return true;
    return false;
}

/* What belongs to the system or to a language is not what its user wants to see first. */
static bool is_in_app(const char *package, const char *function, const char *file)
{
    static const char *const packages[] = {"/lib", "/usr/lib", "[", "linux-", NULL};
    static const char *const functions[] = {
        "std::",  "core::",    "alloc::",  "<alloc::",   "<core::", "<std::", "__libc",
        "_start", "__restore", "runtime.", "rust_begin", "__rust_", NULL};
    static const char *const files[] = {"/rustc/", "/usr/", "node:", "internal/", NULL};
    return !starts_with_any(package, packages) && !starts_with_any(function, functions) &&
           !starts_with_any(file, files);
}

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path;
}

static struct json *new_frame(const struct stack *stack, const struct json *from)
{
    struct json_builder *builder = stack->builder;
    const struct json *module = module_at(stack, from);
    const char *package = ccol__json_text(module, "path"), *function = ccol__json_text(from, "function");
    const char *file = ccol__json_text(from, "file");
    uint64_t number;
    struct json *frame = ccol__json_new(builder, JSON_OBJECT);
    put_text(stack, frame, "function", function);
    put_text(stack, frame, "filename", base_name(file));
    put_text(stack, frame, "abs_path", file);
    if (ccol__json_count(from, "line", &number) && number)
        ccol__json_put_number(builder, frame, "lineno", (int64_t)number);
    if (ccol__json_count(from, "column", &number) && number)
        ccol__json_put_number(builder, frame, "colno", (int64_t)number);
    put_text(stack, frame, "instruction_addr", ccol__json_text(from, "address"));
    put_text(stack, frame, "image_addr", ccol__json_text(module, "address"));
    put_text(stack, frame, "package", package);
    put_text(stack, frame, "module", ccol__json_text(from, "module")); /* of an exception's frame: its name */
    ccol__json_put_bool(builder, frame, "in_app", is_in_app(package, function, file));
    return frame;
}

static unsigned count(const struct json *list)
{
    unsigned number = 0;
    for (; list; list = list->next)
        number++;
    return number;
}

/* Frames come innermost first and go oldest first. Of too deep a stack the middle is left out. */
static void put_stack(const struct stack *stack, struct json *object, const struct json *from)
{
    const struct json *frames = ccol__json_list(from, "frames");
    if (!frames) return;
    unsigned total = count(frames), most = stack->fit->frames, at = 0;
    unsigned last = total > most ? total - most / OUTERMOST : 0, first = total > most ? most - most / OUTERMOST : total;
    struct json *trace = ccol__json_put_object(stack->builder, object, "stacktrace");
    struct json *list = ccol__json_put_array(stack->builder, trace, "frames");
    for (; frames; frames = frames->next, at++)
        if (at < first || (last && at >= last)) ccol__json_push_front(stack->builder, list, new_frame(stack, frames));
    const struct json *registers = ccol__json_object(from, "registers");
    if (!registers) return;
    struct json *to = ccol__json_put_object(stack->builder, trace, "registers");
    for (const struct json *it = registers->first; it; it = it->next)
        if (it->type == JSON_STRING) put_text(stack, to, it->key, it->text);
}

static const struct json *crashed_thread(const struct stack *stack)
{
    for (const struct json *it = ccol__json_list(stack->root, "threads"); it; it = it->next)
        if (ccol__json_is_true(it, "crashed")) return it;
    return NULL;
}

/* Adds "id" or "thread_id". */
static void put_thread_id(const struct stack *stack, struct json *object, const char *key, const struct json *thread)
{
    uint64_t id;
    if (ccol__json_count(thread, "id", &id)) ccol__json_put_number(stack->builder, object, key, (int64_t)id);
}

static void put_signal(const struct stack *stack, struct json *mechanism)
{
    struct json_builder *builder = stack->builder;
    uint64_t number;
    if (!ccol__json_count(stack->crash, "signal", &number)) return;
    struct json *meta = ccol__json_put_object(builder, mechanism, "meta");
    struct json *signal = ccol__json_put_object(builder, meta, "signal");
    ccol__json_put_number(builder, signal, "number", (int64_t)number);
    put_text(stack, signal, "name", ccol__json_text(stack->crash, "reason"));
    if (ccol__json_count(stack->crash, "code", &number))
        ccol__json_put_number(builder, signal, "code", (int64_t)number);
    put_text(stack, signal, "code_name", ccol__json_text(stack->crash, "code_name"));
}

static void put_crash_value(const struct stack *stack, struct json *exception)
{
    const char *message = ccol__json_text(stack->crash, "message"), *code = ccol__json_text(stack->crash, "code_name");
    const char *address = ccol__json_text(stack->crash, "address"), *reason = ccol__json_text(stack->crash, "reason");
    struct buffer value;
    ccol__buffer_init(&value, SIZE_MAX / 4, NULL);
    if (message && *message)
        ccol__buffer_text(&value, message);
    else
        ccol__buffer_format(&value, "%s%s%s", code ? code : reason, address ? " at " : "", address ? address : "");
    if (value.failed) stack->builder->failed = true;
    put_text(stack, exception, "value", value.data);
    ccol__buffer_fini(&value);
}

/* The crash itself as an exception, with the stack of the thread that met it. */
static void put_crash(const struct stack *stack, struct json *values)
{
    struct json_builder *builder = stack->builder;
    const char *reason = ccol__json_text(stack->crash, "reason");
    if (!reason) return;
    const struct json *thread = crashed_thread(stack);
    uint64_t number;
    struct json *exception = ccol__json_new(builder, JSON_OBJECT);
    put_text(stack, exception, "type", reason);
    put_crash_value(stack, exception);
    put_thread_id(stack, exception, "thread_id", thread);
    struct json *mechanism = ccol__json_put_object(builder, exception, "mechanism");
    bool by_signal = ccol__json_count(stack->crash, "signal", &number);
    ccol__json_put_text(builder, mechanism, "type", by_signal ? "signalhandler" : "crashcollect");
    ccol__json_put_bool(builder, mechanism, "handled", false);
    ccol__json_put_bool(builder, mechanism, "synthetic", true);
    put_signal(stack, mechanism);
    put_stack(stack, exception, thread);
    ccol__json_push(builder, values, exception);
}

/* What a runtime said of itself before the end, or instead of one. */
static void put_spoken(const struct stack *stack, struct json *values, const struct json *spoken)
{
    struct json_builder *builder = stack->builder;
    const char *runtime = ccol__json_text(spoken, "runtime"), *type = ccol__json_text(spoken, "type");
    struct json *exception = ccol__json_new(builder, JSON_OBJECT);
    put_text(stack, exception, "type", type && *type ? type : "error");
    put_text(stack, exception, "value", ccol__json_text(spoken, "value"));
    put_text(stack, exception, "module", ccol__json_text(spoken, "module"));
    struct json *mechanism = ccol__json_put_object(builder, exception, "mechanism");
    put_text(stack, mechanism, "type", type && strcmp(type, "panic") == 0 ? type : runtime ? runtime : "log");
    ccol__json_put_bool(builder, mechanism, "handled", !stack->crash && type && strcmp(type, "log") == 0);
    put_stack(stack, exception, spoken);
    ccol__json_push(builder, values, exception);
}

static void put_exceptions(const struct stack *stack, struct json *event)
{
    const struct json *spoken = ccol__json_list(stack->root, "exceptions");
    if (!spoken && !ccol__json_text(stack->crash, "reason")) return;
    struct json *exception = ccol__json_put_object(stack->builder, event, "exception");
    struct json *values = ccol__json_put_array(stack->builder, exception, "values");
    uint64_t number;
    bool only_spoken = spoken && !ccol__json_count(stack->crash, "signal", &number);
    if (!only_spoken)
        put_crash(stack, values); /* first: the last one names the event, and a panic says more than its SIGABRT */
    for (; spoken; spoken = spoken->next)
        put_spoken(stack, values, spoken);
}

static void put_threads(const struct stack *stack, struct json *event)
{
    struct json_builder *builder = stack->builder;
    const struct json *thread = ccol__json_list(stack->root, "threads");
    if (!thread) return;
    struct json *threads = ccol__json_put_object(builder, event, "threads");
    struct json *values = ccol__json_put_array(builder, threads, "values");
    unsigned stacks = stack->fit->stacks;
    for (unsigned i = 0; thread && i < stack->fit->threads; thread = thread->next, i++) {
        bool crashed = ccol__json_is_true(thread, "crashed");
        struct json *to = ccol__json_new(builder, JSON_OBJECT);
        put_thread_id(stack, to, "id", thread);
        put_text(stack, to, "name", ccol__json_text(thread, "name"));
        ccol__json_put_bool(builder, to, "crashed", crashed);
        ccol__json_put_bool(builder, to, "current", crashed);
        if (!crashed && stacks && ccol__json_list(thread, "frames")) {
            put_stack(stack, to, thread); /* the crashed one's is in the exception */
            stacks--;
        }
        ccol__json_push(builder, values, to);
    }
}

static void put_contexts(const struct stack *stack, struct json *event)
{
    struct json_builder *builder = stack->builder;
    const struct json *system = ccol__json_object(stack->root, "system");
    const char *executable = ccol__json_text(stack->root, "executable");
    const struct json *spoken = ccol__json_list(stack->root, "exceptions");
    uint64_t number;
    struct json *contexts = ccol__json_put_object(builder, event, "contexts");
    struct json *os = ccol__json_put_object(builder, contexts, "os");
    put_text(stack, os, "name", ccol__json_text(system, "os"));
    put_text(stack, os, "kernel_version", ccol__json_text(system, "os_version"));
    put_text(stack, os, "raw_description", ccol__json_text(system, "os_pretty"));
    struct json *device = ccol__json_put_object(builder, contexts, "device");
    put_text(stack, device, "arch", ccol__json_text(system, "arch"));
    if (ccol__json_count(system, "cpus", &number))
        ccol__json_put_number(builder, device, "processor_count", (int64_t)number);
    struct json *app = ccol__json_put_object(builder, contexts, "app");
    put_text(stack, app, "app_name", base_name(executable));
    put_text(stack, app, "app_start_time", ccol__json_text(stack->root, "started_at"));
    if (ccol__json_text(spoken, "runtime")) {
        struct json *runtime = ccol__json_put_object(builder, contexts, "runtime");
        put_text(stack, runtime, "name", ccol__json_text(spoken, "runtime"));
    }
}

static bool is_level(const char *level)
{
    static const char *const levels[] = {"fatal", "error", "warning", "info", "debug"};
    for (size_t i = 0; level && i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(level, levels[i]) == 0) return true;
    return false;
}

static void put_crumbs(const struct stack *stack, struct json *event)
{
    struct json_builder *builder = stack->builder;
    const struct json *crumb = ccol__json_list(stack->root, "breadcrumbs");
    unsigned total = count(crumb);
    if (!total || !stack->fit->crumbs) return;
    for (; total > stack->fit->crumbs; total--)
        crumb = crumb->next;
    struct json *crumbs = ccol__json_put_object(builder, event, "breadcrumbs");
    struct json *values = ccol__json_put_array(builder, crumbs, "values");
    for (; crumb; crumb = crumb->next) {
        const char *level = ccol__json_text(crumb, "level");
        struct json *to = ccol__json_new(builder, JSON_OBJECT);
        put_text(stack, to, "timestamp", ccol__json_text(crumb, "time"));
        put_text(stack, to, "category", ccol__json_text(crumb, "category"));
        ccol__json_put_text(builder, to, "level", is_level(level) ? level : "info");
        ccol__json_put(builder, to, "message",
                       ccol__sentry_text(builder, ccol__json_text(crumb, "message"), stack->fit->crumb_text));
        ccol__json_push(builder, values, to);
    }
}

bool ccol__sentry_stack_is_composed(const struct json *root)
{
    const char *reason = ccol__json_text(ccol__json_object(root, "crash"), "reason");
    if (ccol__json_list(root, "exceptions")) return true;
    return reason && (strncmp(reason, "SIG", 3) != 0 || strcmp(reason, "SIGKILL") == 0);
}

void ccol__sentry_stack_put(struct json_builder *builder, struct json *event, const struct json *root,
                            const struct sentry_fit *fit, bool dump_told)
{
    const struct stack stack = {.builder = builder,
                                .root = root,
                                .crash = ccol__json_object(root, "crash"),
                                .modules = ccol__json_list(root, "modules"),
                                .fit = fit};
    put_text(&stack, event, "timestamp", ccol__json_text(root, "crashed_at"));
    if (!dump_told) {
        put_exceptions(&stack, event);
        put_threads(&stack, event);
        ccol__sentry_images_put(builder, event, stack.modules, fit->images);
    }
    put_contexts(&stack, event);
    put_crumbs(&stack, event);
}
