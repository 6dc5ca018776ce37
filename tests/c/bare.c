/* A bare machine: without /etc, without /proc, without certificates, without room on the disk, without threads or memory. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"

enum { NO_NAMESPACES = 77, CHILD_SECONDS = 60 };

/* Runs the body in a child, which a failed check ends with status 1: how it ended. */
static int in_child(void (*body)(void))
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS);
        body();
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
}

/* Mounts of its own from here on; the network stays, as the sandbox is there. */
static void enter_namespace(void)
{
    char map[64];
    unsigned uid = getuid(), gid = getgid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        _exit(NO_NAMESPACES);
    snprintf(map, sizeof map, "0 %u 1", uid);
    write_file("/proc/self/uid_map", map);
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", gid);
    write_file("/proc/self/gid_map", map);
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        _exit(NO_NAMESPACES);
}

static void cover(const char *path, const char *options)
{
    CHECK_EQ(mount("none", path, "tmpfs", 0, options), 0);
}

static void in_namespace(const char *name, void (*body)(void))
{
    int ended = in_child(body);
    const char *strict = getenv("STRICT");
    if (ended == NO_NAMESPACES && (strict == NULL || strcmp(strict, "1") != 0))
        printf("SKIP %s: no namespaces here\n", name);
    else
        CHECK_EQ(ended, 0);
}

/* ---- Without files of the system's ---- */

static void check_names_fail(aip_pool *pool)
{
    CHECK_STATUS(try_to(session_of(pool, "http://some.example"), "/"), AIP_DNS);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
    CHECK_EQ(error.flags & AIP_ERROR_RETRYABLE, AIP_ERROR_RETRYABLE);
    CHECK_STARTS(error.message, "url: the host name does not resolve (");
    CHECK_EQ(aip_response_status(ask(session_of(pool, sandbox_http()), "/echo")), 200);
}

/* A session with roots as `options` says, whose server's name needs no look-up. */
static aip_session *secure_session(aip_pool *pool, aip_session_options options, const char *partition)
{
    options.resolve = "localhost=127.0.0.1";
    options.partition = partition;
    options.resolve_len = options.partition_len = AIP_NUL_TERMINATED;
    return session_with(pool, sandbox_https(), &options);
}

static void without_etc(void)
{
    enter_namespace();
    cover("/etc", NULL);
    cover("/usr/share", NULL);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    aip_pool *pool = new_pool();
    check_names_fail(pool);
    aip_session *bare = secure_session(pool, session_options(), "bare");
    CHECK_STATUS(try_to(bare, "/echo"), AIP_TLS);
    CHECK_TEXT(error.message, "tls: no system roots found; install ca-certificates, set SSL_CERT_FILE, or give ca_file");
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
    CHECK_EQ(aip_response_status(ask(secure_session(pool, trusting(), "given"), "/echo")), 200);
}

static void with_empty_files(void)
{
    enter_namespace();
    cover("/etc", NULL);
    int file = open("/etc/resolv.conf", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    CHECK(file >= 0);
    close(file);
    close(open("/etc/hosts", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    check_names_fail(new_pool());
}

static void names_fail_clearly_without_etc(void)
{
    in_namespace("names_fail_clearly_without_etc", without_etc);
    in_namespace("names_fail_clearly_with_empty_files", with_empty_files);
}

static void check_no_roots(const char *file)
{
    setenv("SSL_CERT_FILE", file, 1);
    setenv("SSL_CERT_DIR", "/no/such/directory", 1);
    CHECK_STATUS(try_to(session_of(new_pool(), sandbox_https()), "/echo"), AIP_TLS);
    CHECK_STARTS(error.message, "tls: no system roots found; ");
    CHECK_CONTAINS(error.message, "set SSL_CERT_FILE");
}

static void with_a_file_of_roots_that_is_empty(void)
{
    check_no_roots("/dev/null");
}

static void with_a_file_of_roots_that_is_missing(void)
{
    check_no_roots("/no/such/file");
}

static void no_roots_are_named_with_their_mend(void)
{
    CHECK_EQ(in_child(with_a_file_of_roots_that_is_empty), 0);
    CHECK_EQ(in_child(with_a_file_of_roots_that_is_missing), 0);
}

static void without_proc(void)
{
    enter_namespace();
    cover("/proc", NULL);
    aip_pool_options threaded = pool_options();
    for (threaded.threads = 0; threaded.threads < 3; threaded.threads += 2) {
        aip_pool *pool = new_pool_with(&threaded);
        aip_session_options options = trusting();
        CHECK_EQ(aip_response_status(ask(session_with(pool, sandbox_https(), &options), "/echo")), 200);
    }
}

static void proc_is_not_needed(void)
{
    in_namespace("proc_is_not_needed", without_proc);
}

/* ---- A disk without room ---- */

static aip_session_options logging_to(const char *file)
{
    aip_session_options options = trusting();
    options.key_log_file = file;
    options.key_log_file_len = AIP_NUL_TERMINATED;
    return options;
}

static void with_a_full_disk(void)
{
    struct stat log;
    char page[4096] = {0};
    enter_namespace();
    cover("/mnt", "size=4096");
    int filler = open("/mnt/filler", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    while (write(filler, page, sizeof page) > 0)
        ;
    CHECK_EQ(errno, ENOSPC);
    aip_session_options options = logging_to("/mnt/keys");
    CHECK_EQ(aip_response_status(ask(session_with(new_pool(), sandbox_https(), &options), "/echo")), 200);
    CHECK(stat("/mnt/keys", &log) == 0 && log.st_size == 0);
}

static void with_a_disk_that_is_read_only(void)
{
    enter_namespace();
    cover("/mnt", NULL);
    CHECK_EQ(mount("none", "/mnt", NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    aip_session_options options = logging_to("/mnt/keys");
    options.partition = "read-only";
    options.partition_len = AIP_NUL_TERMINATED;
    check_session_refused(&options, AIP_SYSTEM, "key_log_file: ");
    CHECK_EQ(error.os_error, EROFS);
    CHECK_CONTAINS(error.message, "/mnt/keys");
}

/* The default action of SIGXFSZ would end this process. */
static void with_a_limit_on_files(void)
{
    char file[] = "/tmp/aipool-keys-XXXXXX";
    struct rlimit none = {0, 0};
    close(mkstemp(file));
    aip_session_options options = logging_to(file);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
    CHECK_EQ(aip_response_status(ask(session_with(new_pool(), sandbox_https(), &options), "/echo")), 200);
    unlink(file);
}

/* What is no file is refused where it is named, before anything goes to it. */
static void a_log_of_keys_never_costs_the_connection(void)
{
    aip_session_options options = logging_to("/dev/full");
    check_session_refused(&options, AIP_INVALID_ARGUMENT, "key_log_file: /dev/full is no regular file");
    CHECK_EQ(in_child(with_a_limit_on_files), 0);
    in_namespace("a_full_disk", with_a_full_disk);
    in_namespace("a_disk_that_is_read_only", with_a_disk_that_is_read_only);
}

/* ---- No threads, no memory ---- */

/* So little address space that a stack does not fit in any more, while small pieces still do. */
static void leave_no_room_for_stacks(rlim_t more)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm != NULL && fscanf(statm, "%lu", &pages) == 1);
    fclose(statm);
    struct rlimit limit = {pages * (rlim_t)sysconf(_SC_PAGESIZE) + more, RLIM_INFINITY};
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
}

static void give_room_back(void)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
}

static void check_no_pool(uint32_t threads)
{
    aip_pool *refused = NULL;
    aip_pool_options options = pool_options();
    options.threads = threads;
    CHECK_STATUS(aip_pool_new(&options, &refused, &error), AIP_SYSTEM);
    CHECK(refused == NULL);
    CHECK_EQ(error.os_error, EAGAIN);
    CHECK_STARTS(error.message, "pool: cannot start its runtime");
}

/* A pool that has its thread goes on; what needs another one says so. */
static void without_room_for_stacks(void)
{
    char name[80];
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    snprintf(name, sizeof name, "http://localhost%s", strrchr(sandbox_http(), ':'));
    aip_session *named = session_of(pool, name);
    ask(session, "/echo");
    leave_no_room_for_stacks(1 << 20);
    check_no_pool(0);
    check_no_pool(2);
    CHECK_STATUS(try_to(named, "/echo"), AIP_SYSTEM);
    CHECK_EQ(error.os_error, EAGAIN);
    CHECK_CONTAINS(error.message, "no thread for a name look-up");
    CHECK_EQ(aip_response_status(ask(session, "/echo")), 200);
    give_room_back();
    CHECK_EQ(aip_response_status(ask(named, "/echo")), 200);
    new_pool();
}

/* As many threads as the guard and not one more: a runtime of several cannot start. */
static void with_room_for_one_stack(void)
{
    leave_no_room_for_stacks(5 << 20);
    check_no_pool(16);
    give_room_back();
    aip_pool_options options = pool_options();
    options.threads = 16;
    CHECK_EQ(aip_response_status(ask(session_of(new_pool_with(&options), sandbox_http()), "/echo")), 200);
}

static void as_nobody_with_one_process(void)
{
    struct rlimit one = {1, 1};
    if (getuid() == 0)
        CHECK(setgid(65534) == 0 && setuid(65534) == 0);
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &one), 0);
    check_no_pool(0);
    check_no_pool(2);
}

static void threads_that_cannot_be_had_are_a_status(void)
{
    CHECK_EQ(in_child(without_room_for_stacks), 0);
    CHECK_EQ(in_child(with_room_for_one_stack), 0);
    CHECK_EQ(in_child(as_nobody_with_one_process), 0);
}

static const test tests[] = {
    {"names_fail_clearly_without_etc", names_fail_clearly_without_etc},
    {"no_roots_are_named_with_their_mend", no_roots_are_named_with_their_mend},
    {"proc_is_not_needed", proc_is_not_needed},
    {"a_log_of_keys_never_costs_the_connection", a_log_of_keys_never_costs_the_connection},
    {"threads_that_cannot_be_had_are_a_status", threads_that_cannot_be_had_are_a_status},
};

int main(int argc, char **argv)
{
    return run_tests(TESTS_IN(tests), argc, argv);
}
