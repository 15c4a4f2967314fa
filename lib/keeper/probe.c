/* SPDX-License-Identifier: MIT */
/* Whether tracing works here is tried, not guessed: Yama, seccomp profiles, capabilities and an outer tracer all have a
 * say in it. */
#include "keeper/keeper.h"
#include "keeper/tracee.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int see_it_killed(pid_t pid, ccol_error *err)
{
    int status;
    uint64_t registers[SNAPSHOT_REGISTERS_MAX], pc, sp;
    if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)PTRACE_O_TRACEEXIT) != 0)
        return ccol_fail(err, -errno, "cannot trace a child");
    kill(pid, SIGKILL);
    if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) || status >> 16 != PTRACE_EVENT_EXIT)
        return ccol_fail(err, -ENOTSUP, "this kernel does not stop what is killed: SIGKILL shows no stacks");
    int code = ccol__tracee_registers(pid, registers, &pc, &sp);
    uint64_t word;
    if (code) return ccol_fail(err, code, "cannot read the registers of what is killed");
    return ccol__tracee_read_all(pid, sp & ~UINT64_C(7), &word, sizeof word)
               ? 0
               : ccol_fail(err, -EPERM, "cannot read the memory of a child");
}

int ccol__keeper_probe(ccol_error *err)
{
    pid_t self = getpid(), pid = _Fork();
    if (pid < 0) return ccol_fail(err, -errno, "cannot fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it must not outlive a keeper that is killed meanwhile */
        while (getppid() == self)
            pause();
        _exit(0);
    }
    int code = see_it_killed(pid, err);
    kill(pid, SIGKILL);
    ptrace(PTRACE_CONT, pid, NULL, NULL);
    waitpid(pid, NULL, __WALL);
    return code;
}
