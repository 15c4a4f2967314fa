/* SPDX-License-Identifier: MIT */
/* Signals to the keeper are meant for the app. */
#include "keeper/keeper_private.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

int ccol__keeper_open_signals(struct keeper *keeper, ccol_error *err)
{
    /* those that the keeper's own mistakes raise must end it */
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t taken;
    sigfillset(&taken);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        sigdelset(&taken, own[i]);
    if (sigprocmask(SIG_BLOCK, &taken, &keeper->mask_before) != 0)
        return ccol_fail(err, -errno, "cannot block signals");
    keeper->signal_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    return keeper->signal_fd < 0 ? ccol_fail(err, -errno, "cannot make a signalfd") : 0;
}

void ccol__keeper_pass_signal(struct keeper *keeper, int number)
{
    if (keeper->app_ended || !keeper->app) return;
    if (number == SIGKILL || number == SIGABRT || number == SIGQUIT) keeper->kill_asked = number;
    kill(keeper->app, number);
}

/* Terminals that the app writes to are as wide as the real one. */
static void pass_size(const struct keeper *keeper)
{
    for (size_t i = 0; i < 2; i++) {
        struct winsize size;
        const struct output *output = &keeper->outputs[i];
        if (output->is_pty && output->from >= 0 && output->to >= 0 && ioctl(output->to, TIOCGWINSZ, &size) == 0)
            ioctl(output->from, TIOCSWINSZ, &size);
    }
}

static void received(struct keeper *keeper, const struct signalfd_siginfo *info)
{
    int number = (int)info->ssi_signo;
    if (number == SIGCHLD) {
        keeper->reap_again = true;
        return;
    }
    if (number == SIGWINCH) pass_size(keeper);
    if (number == SIGPIPE) return; /* of the keeper's own writing */
    keeper->gives_up |= keeper->app_ended && (number == SIGTERM || number == SIGINT || number == SIGHUP);
    /* what the terminal sends goes to the whole process group, and so has reached the app already */
    if (info->ssi_code == SI_KERNEL && getpgid(keeper->app) == getpgrp()) return;
    ccol__keeper_pass_signal(keeper, number);
}

void ccol__keeper_receive_signals(struct keeper *keeper)
{
    struct signalfd_siginfo list[16];
    ssize_t got;
    do {
        got = read(keeper->signal_fd, list, sizeof list);
        for (size_t i = 0; got > 0 && i < (size_t)got / sizeof list[0]; i++)
            received(keeper, &list[i]);
    } while (got == (ssize_t)sizeof list); /* one call is enough for one signal, which is what there is most often */
}
