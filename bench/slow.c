/* A slower disk: preloaded, it counts every fsync and fdatasync of the process and adds BENCH_FSYNC_US to each. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

long bench_fsyncs = 0;
static long extra_us = -1;

static int slowly(const char *name, int fd) {
    int (*real)(int) = (int (*)(int)) dlsym(RTLD_NEXT, name);
    int result = real(fd);
    __atomic_add_fetch(&bench_fsyncs, 1, __ATOMIC_RELAXED);
    if (extra_us < 0) {
        const char *asked = getenv("BENCH_FSYNC_US");
        extra_us = asked ? atol(asked) : 0;
    }
    if (extra_us > 0) {
        struct timespec wait = {extra_us / 1000000, (extra_us % 1000000) * 1000};
        nanosleep(&wait, NULL);
    }
    return result;
}

int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
