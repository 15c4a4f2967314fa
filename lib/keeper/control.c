/* SPDX-License-Identifier: MIT */
#include "keeper/control.h"

#include "keeper/keeper_private.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

static void tell(const struct keeper *keeper, const struct control_message *message)
{
    if (keeper->options.control_fd <= 0) return;
    while (send(keeper->options.control_fd, message, sizeof *message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

void ccol__control_tell_start(const struct keeper *keeper, int code, const char *text)
{
    struct control_message message = {
        .kind = code ? CONTROL_FAILED : CONTROL_STARTED, .value = code ? code : keeper->app, .pid = keeper->app};
    snprintf(message.text, sizeof message.text, "%s", text);
    tell(keeper, &message);
}

void ccol__control_tell_end(const struct keeper *keeper)
{
    struct control_message message = {
        .kind = CONTROL_ENDED, .value = keeper->app_status, .pid = keeper->app, .flags = keeper->end_flags};
    tell(keeper, &message);
}

void ccol__control_receive(struct keeper *keeper)
{
    struct control_message message;
    ssize_t got = recv(keeper->options.control_fd, &message, sizeof message, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) { /* the host is gone or lost interest; the app goes on */
        close(keeper->options.control_fd);
        keeper->options.control_fd = 0;
        return;
    }
    if (got == sizeof message && message.kind == CONTROL_SIGNAL && message.value > 0)
        ccol__keeper_pass_signal(keeper, message.value);
}
