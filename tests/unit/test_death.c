/* SPDX-License-Identifier: MIT */
/* How deaths are told: signals and codes by name, kills for want of memory by evidence only, containers by their id. */
#include <signal.h>

#include "check.h"

#include "keeper/handover.h"
#include "monitor/container.h"
#include "monitor/death.h"

#define MIB (UINT64_C(1) << 20)
#define ID  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct victim victim_of(int number, int code)
{
    struct victim victim = {.executable = "/bin/victim", .name = "victim", .oom_path = ""};
    victim.process.pid = 4242;
    victim.reason.signal = number;
    victim.reason.wait_status = number;
    victim.code = code;
    victim.has_code = true;
    return victim;
}

static void signals_and_codes_have_names(void)
{
    char name[SIGNAL_NAME_SIZE];
    struct death_words words;
    CHECK_TEXT(ccol__signal_name(name, SIGSYS), "SIGSYS");
    CHECK_TEXT(ccol__signal_name(name, SIGRTMIN + 2), "SIGRTMIN+2");
    CHECK_TEXT(ccol__signal_name(name, 0), "SIG0");
    CHECK_TEXT(ccol__signal_code_name(SIGBUS, BUS_ADRERR), "BUS_ADRERR");
    CHECK_TEXT(ccol__signal_code_name(SIGBUS, SI_TKILL), "SI_TKILL");
    CHECK_TEXT(ccol__signal_code_name(SIGBUS, 4711), "");
    struct victim victim = victim_of(SIGSEGV, SEGV_MAPERR);
    victim.has_address = true;
    victim.address = 0x10;
    ccol__death_describe(&words, &victim, NULL);
    CHECK_TEXT(words.word, "SIGSEGV");
    CHECK_TEXT(words.detail, "SEGV_MAPERR at 0x10");
    victim = victim_of(SIGSEGV, SI_KERNEL);
    ccol__death_describe(&words, &victim, NULL);
    CHECK_TEXT(words.detail, "SI_KERNEL, the processor did not tell the address");
    struct victim_thread thread = {.seen = {.tid = 7, .flags = SNAPSHOT_STACK_OVERFLOW}};
    victim = victim_of(SIGSEGV, SEGV_ACCERR);
    victim.threads = &thread;
    victim.thread_count = 1;
    victim.crashed_tid = 7;
    ccol__death_describe(&words, &victim, NULL);
    CHECK_TEXT(words.detail, "SEGV_ACCERR, stack overflow");
    victim = victim_of(0, 0);
    victim.reason.wait_status = 3 << 8;
    ccol__death_describe(&words, &victim, NULL);
    CHECK_TEXT(words.word, "exit");
    CHECK_TEXT(words.detail, "status 3");
}

static struct victim killed(uint64_t before, uint64_t after)
{
    struct victim victim = victim_of(SIGKILL, 0);
    victim.has_code = false;
    victim.has_oom = true;
    victim.oom_path = "/jobs/7";
    victim.oom = (struct snapshot_oom){.source = SNAPSHOT_OOM_CGROUP2,
                                       .kills_before = before,
                                       .kills_after = after,
                                       .limit = 64 * MIB,
                                       .usage = 1 * MIB,
                                       .peak = UINT64_MAX,
                                       .host_kills_before = 5,
                                       .host_kills_after = 5 + after - before};
    return victim;
}

static void a_kill_is_called_oom_by_evidence_only(void)
{
    struct oom_verdict verdict;
    struct death_words words;
    struct victim victim = killed(1, 2);
    ccol__oom_judge(&verdict, &victim, NULL);
    CHECK_INT(verdict.evidence, OOM_BY_CGROUP);
    CHECK_TEXT(verdict.text, "oom_kill of memory cgroup /jobs/7 went from 1 to 2, limit 64.0 MiB, usage after 1.0 MiB");
    ccol__death_describe(&words, &victim, &verdict);
    CHECK_TEXT(words.word, "OOM");

    victim = killed(2, 2);
    ccol__oom_judge(&verdict, &victim, NULL);
    CHECK_INT(verdict.evidence, OOM_NO_EVIDENCE);
    ccol__death_describe(&words, &victim, &verdict);
    CHECK_TEXT(words.word, "SIGKILL");
    CHECK_TEXT(words.detail, "sender unknown");

    victim = killed(1, 2); /* somebody asked for it, and another process of the cgroup was out of memory */
    victim.reason.flags = SNAPSHOT_KILL_ASKED;
    ccol__oom_judge(&verdict, &victim, NULL);
    CHECK_INT(verdict.evidence, OOM_NO_EVIDENCE);

    victim = killed(UINT64_MAX, UINT64_MAX); /* unreadable, but the host killed something */
    victim.oom.host_kills_after = 6;
    ccol__oom_judge(&verdict, &victim, NULL);
    CHECK_INT(verdict.evidence, OOM_NO_EVIDENCE);
    CHECK(strstr(verdict.text, "nothing says that this was one") != NULL);

    struct oom_record record = {.pid = 4242, .task = "victim", .of_cgroup = true, .memcg = "/jobs/7", .anon_kib = 2048};
    victim = killed(2, 2);
    ccol__oom_judge(&verdict, &victim, &record);
    CHECK_INT(verdict.evidence, OOM_BY_KERNEL_LOG);
    CHECK(strstr(verdict.text, "resident 2.0 MiB") != NULL);

    victim = victim_of(SIGSEGV, SEGV_MAPERR);
    ccol__oom_judge(&verdict, &victim, NULL);
    CHECK_INT(verdict.evidence, OOM_NO_EVIDENCE);
}

static void check_record(const char *text, int pid, const char *task, bool of_cgroup)
{
    struct oom_record record;
    bool read = ccol__oom_record_read(text, strlen(text), &record);
    CHECK_INT(read, pid > 0);
    if (!read) return;
    CHECK_INT(record.pid, pid);
    CHECK_TEXT(record.task, task);
    CHECK_INT(record.of_cgroup, of_cgroup);
    CHECK_INT(record.monotonic_us, 17000123);
}

static void the_kernels_records_are_read(void)
{
    check_record("6,812,17000123,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
                 "oom_memcg=/t,task_memcg=/t,task=victim,pid=4242,uid=0\n SUBSYSTEM=x",
                 4242, "victim", true);
    check_record("3,813,17000123,-;Memory cgroup out of memory: Killed process 17 (a b) total-vm:9kB, anon-rss:8kB, "
                 "file-rss:1kB, shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:10",
                 17, "a b", true);
    check_record("3,813,17000123,-;Out of memory: Killed process 18 (x) total-vm:9kB", 18, "x", false);
    check_record("6,1,17000123,-;Killed process 19 (x)", 0, "", false);
    check_record("6,1,17000123,-;oom-kill:constraint=CONSTRAINT_NONE", 0, "", false);
    check_record("no record", 0, "", false);
    check_record(";", 0, "", false);
    check_record("", 0, "", false);
}

static void containers_are_told(void)
{
    char text[CONTAINER_TEXT_SIZE];
    const char *docker = "12:memory:/docker/" ID "\n0::/docker/" ID "\n";
    const char *pod = "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope\n";
    const char *plain = "4:memory:/jobs/7\n0::/\n";
    CHECK_TEXT(ccol__container_id(text, docker, strlen(docker)), ID);
    CHECK_TEXT(ccol__cgroup_path(text, docker, strlen(docker)), "/docker/" ID);
    CHECK_TEXT(ccol__container_id(text, pod, strlen(pod)), ID);
    CHECK_TEXT(ccol__container_id(text, plain, strlen(plain)), "");
    CHECK_TEXT(ccol__cgroup_path(text, plain, strlen(plain)), "/jobs/7");
    CHECK_TEXT(ccol__cgroup_path(text, NULL, 0), "");
    CHECK_TEXT(ccol__container_id(text, NULL, 0), "");
}

int main(void)
{
    RUN(signals_and_codes_have_names);
    RUN(a_kill_is_called_oom_by_evidence_only);
    RUN(the_kernels_records_are_read);
    RUN(containers_are_told);
    return check_done();
}
