/* What a process of a test is told by its machine: another time, a disk that fails or is slow.
 *
 * Compiled and loaded in front of libc by machine.rs, which writes the control block that both share.
 * Invariant: with a block of zeros it changes nothing, and only files of databases (their path
 * holds ".db") are on the disk that fails.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* In the order of machine.rs. */
struct control {
    volatile int64_t processes;
    volatile int64_t clock_ahead_ms;
    volatile int64_t write_error;
    volatile int64_t sync_error;
    volatile int64_t sync_delay_ms;
};

static struct control nothing;
static struct control *control = &nothing;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TEST_MACHINE");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *block = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (block == MAP_FAILED) return;
    control = block;
    __sync_fetch_and_add(&control->processes, 1);
}

static int is_database(int file) {
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strstr(path, ".db") != NULL;
}

static int fails(int file, int64_t error) {
    if (!error || !is_database(file)) return 0;
    errno = (int)error;
    return 1;
}

static void be_slow(int file) {
    int64_t delay = control->sync_delay_ms;
    if (!delay || !is_database(file)) return;
    struct timespec wait = {delay / 1000, delay % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    int64_t ahead = control->clock_ahead_ms;
    if (result == 0 && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = now->tv_nsec + ahead % 1000 * 1000000;
        now->tv_sec += ahead / 1000 + (ns >= 1000000000) - (ns < 0);
        now->tv_nsec = (ns + 1000000000) % 1000000000;
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec time;
    if (clock_gettime(CLOCK_REALTIME, &time)) return -1;
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    if (now) *now = time.tv_sec;
    return time.tv_sec;
}

ssize_t write(int file, const void *bytes, size_t count) {
    if (fails(file, control->write_error)) return -1;
    return syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    if (fails(file, control->write_error)) return -1;
    return syscall(SYS_pwrite64, file, bytes, count, at);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    return pwrite64(file, bytes, count, at);
}

int fsync(int file) {
    be_slow(file);
    if (fails(file, control->sync_error)) return -1;
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    be_slow(file);
    if (fails(file, control->sync_error)) return -1;
    return (int)syscall(SYS_fdatasync, file);
}
