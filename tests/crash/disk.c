/* A disk that is watched and that fails as told: preloaded into a process, it stands between SQLite and the kernel.

   Every change beneath the folder DISK_WATCH is written to the log DISK_LOG in the order in which it happened: records of
   {kind, file, offset, length} and the bytes, which disk.py reads (a truncation leaves `offset` bytes). disk_fail(), or
   DISK_FAIL in the environment, plants the fault of the n-th call of a kind. Companions that hold nothing durable (-shm,
   .owners) are neither logged nor made to fail. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE = 2, SYNC = 3, CREATE = 4, UNLINK = 5, FOLDER = 6, READ = 7, OPEN = 8 };
enum { MOST = 4096 };

struct record {
    uint64_t kind, file, offset, length;
};

static char watched[PATH_MAX];
static size_t prefix;
static int logging = -1;
static unsigned char kinds[MOST]; /* by descriptor: 0 elsewhere, 1 a file, 2 a folder */
static uint64_t files[MOST];
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static int (*next_open)(const char *, int, ...);
static int (*next_close)(int);
static ssize_t (*next_write)(int, const void *, size_t);
static ssize_t (*next_pwrite)(int, const void *, size_t, off64_t);
static ssize_t (*next_read)(int, void *, size_t);
static ssize_t (*next_pread)(int, void *, size_t, off64_t);
static int (*next_truncate)(int, off64_t);
static int (*next_fsync)(int);
static int (*next_fdatasync)(int);
static int (*next_unlink)(const char *);

/* What is planted: the calls from the `from`-th of this kind on, `times` of them (or all), fail with this errno. */
static struct {
    int kind, error;
    long from, times, calls, failed;
    char part[64];
} fault;

void disk_fail(int kind, long from, long times, int error, const char *part);

__attribute__((constructor)) static void begin(void) {
    next_open = dlsym(RTLD_NEXT, "open64");
    next_close = dlsym(RTLD_NEXT, "close");
    next_write = dlsym(RTLD_NEXT, "write");
    next_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    next_read = dlsym(RTLD_NEXT, "read");
    next_pread = dlsym(RTLD_NEXT, "pread64");
    next_truncate = dlsym(RTLD_NEXT, "ftruncate64");
    next_fsync = dlsym(RTLD_NEXT, "fsync");
    next_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    next_unlink = dlsym(RTLD_NEXT, "unlink");
    const char *folder = getenv("DISK_WATCH");
    if (folder != NULL) {
        strncpy(watched, folder, sizeof watched - 1);
        prefix = strlen(watched);
    }
    const char *log = getenv("DISK_LOG");
    if (log != NULL) logging = next_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const char *planted = getenv("DISK_FAIL");
    int kind, error;
    long from, times;
    if (planted != NULL && sscanf(planted, "%d %ld %ld %d", &kind, &from, &times, &error) == 4)
        disk_fail(kind, from, times, error, "");
}

static int ends(const char *path, const char *end) {
    size_t all = strlen(path), part = strlen(end);
    return all >= part && strcmp(path + all - part, end) == 0;
}

static int beneath(const char *path) {
    return prefix != 0 && path != NULL && strncmp(path, watched, prefix) == 0 && !ends(path, "-shm") &&
           !ends(path, ".owners");
}

static void record(uint64_t kind, uint64_t file, uint64_t offset, const void *bytes, uint64_t length) {
    if (logging < 0) return;
    struct record head = {kind, file, offset, length};
    if (next_write(logging, &head, sizeof head) != sizeof head) abort();
    for (const char *from = bytes; bytes != NULL && length > 0;) {
        ssize_t done = next_write(logging, from, length);
        if (done <= 0) abort();
        from += done;
        length -= (uint64_t)done;
    }
}

/* Whether this call is to fail. Called with the turn held. */
static int fails(int kind, const char *path) {
    if (fault.kind != kind || (fault.part[0] != 0 && (path == NULL || !ends(path, fault.part)))) return 0;
    fault.calls++;
    if (fault.calls < fault.from || (fault.times > 0 && fault.calls >= fault.from + fault.times)) return 0;
    fault.failed++;
    errno = fault.error;
    return 1;
}

static char paths[MOST][256];

static int ours(int fd) { return fd >= 0 && fd < MOST && kinds[fd] != 0; }

/* Plant a fault; kind 0 takes it back. `part` is the end of the file's name, or "". */
void disk_fail(int kind, long from, long times, int error, const char *part) {
    pthread_mutex_lock(&turn);
    memset(&fault, 0, sizeof fault);
    fault.kind = kind;
    fault.from = from;
    fault.times = times;
    fault.error = error;
    strncpy(fault.part, part, sizeof fault.part - 1);
    pthread_mutex_unlock(&turn);
}

/* How many calls the planted fault has made fail. */
long disk_failed(void) { return fault.failed; }

static int opened(const char *path, int flags, mode_t mode) {
    if (!beneath(path)) {
        int fd = next_open(path, flags, mode);
        if (fd >= 0 && fd < MOST) kinds[fd] = 0;
        return fd;
    }
    pthread_mutex_lock(&turn);
    struct stat about;
    int there = stat(path, &about) == 0;
    int fd = -1;
    if (!fails(OPEN, path)) fd = next_open(path, flags, mode);
    if (fd >= 0 && fd < MOST && fstat(fd, &about) == 0) {
        kinds[fd] = S_ISDIR(about.st_mode) ? 2 : 1;
        files[fd] = about.st_ino;
        strncpy(paths[fd], path, sizeof paths[fd] - 1);
        if (!there) record(CREATE, about.st_ino, 0, path, strlen(path));
        else if (flags & O_TRUNC) record(TRUNCATE, about.st_ino, 0, NULL, 0);
    }
    pthread_mutex_unlock(&turn);
    return fd;
}

#define MODE                                            \
    mode_t mode = 0;                                    \
    if (flags & (O_CREAT | O_TMPFILE)) {                \
        va_list rest;                                   \
        va_start(rest, flags);                          \
        mode = va_arg(rest, mode_t);                    \
        va_end(rest);                                   \
    }

int open(const char *path, int flags, ...) {
    MODE
    return opened(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE
    return opened(path, flags | O_LARGEFILE, mode);
}

int close(int fd) {
    if (ours(fd)) kinds[fd] = 0;
    return next_close(fd);
}

static ssize_t written(int fd, const void *bytes, size_t length, off64_t offset, int placed) {
    if (!ours(fd)) return placed ? next_pwrite(fd, bytes, length, offset) : next_write(fd, bytes, length);
    pthread_mutex_lock(&turn);
    ssize_t done = -1;
    if (!placed) offset = lseek64(fd, 0, SEEK_CUR);
    if (!fails(WRITE, paths[fd])) {
        done = placed ? next_pwrite(fd, bytes, length, offset) : next_write(fd, bytes, length);
    } else if (errno == ENOSPC && length > 1) {
        /* A disk that fills up takes what still fits. */
        int error = errno;
        ssize_t half = next_pwrite(fd, bytes, length / 2, offset);
        if (half > 0) record(WRITE, files[fd], (uint64_t)offset, bytes, (uint64_t)half);
        errno = error;
    }
    if (done > 0) record(WRITE, files[fd], (uint64_t)offset, bytes, (uint64_t)done);
    pthread_mutex_unlock(&turn);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) { return written(fd, bytes, length, 0, 0); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return written(fd, bytes, length, offset, 1); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    return written(fd, bytes, length, offset, 1);
}

static int unreadable(int fd) {
    if (!ours(fd) || fault.kind != READ) return 0;
    pthread_mutex_lock(&turn);
    int failed = fails(READ, paths[fd]);
    pthread_mutex_unlock(&turn);
    return failed;
}

ssize_t read(int fd, void *bytes, size_t length) { return unreadable(fd) ? -1 : next_read(fd, bytes, length); }
ssize_t pread(int fd, void *bytes, size_t length, off_t offset) {
    return unreadable(fd) ? -1 : next_pread(fd, bytes, length, offset);
}
ssize_t pread64(int fd, void *bytes, size_t length, off64_t offset) {
    return unreadable(fd) ? -1 : next_pread(fd, bytes, length, offset);
}

static int truncated(int fd, off64_t length) {
    if (!ours(fd)) return next_truncate(fd, length);
    pthread_mutex_lock(&turn);
    int done = fails(TRUNCATE, paths[fd]) ? -1 : next_truncate(fd, length);
    if (done == 0) record(TRUNCATE, files[fd], (uint64_t)length, NULL, 0);
    pthread_mutex_unlock(&turn);
    return done;
}

int ftruncate(int fd, off_t length) { return truncated(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncated(fd, length); }

static int synced(int fd, int (*next)(int)) {
    if (!ours(fd)) return next(fd);
    pthread_mutex_lock(&turn);
    /* Nothing here loses power: what a sync would have kept is worked out from the log. */
    int done = fails(SYNC, paths[fd]) ? -1 : 0;
    if (done == 0 && kinds[fd] == 2) record(FOLDER, files[fd], 0, paths[fd], strlen(paths[fd]));
    else if (done == 0) record(SYNC, files[fd], 0, NULL, 0);
    pthread_mutex_unlock(&turn);
    return done;
}

int fsync(int fd) { return synced(fd, next_fsync); }
int fdatasync(int fd) { return synced(fd, next_fdatasync); }

int unlink(const char *path) {
    if (!beneath(path)) return next_unlink(path);
    pthread_mutex_lock(&turn);
    int done = fails(UNLINK, path) ? -1 : next_unlink(path);
    if (done == 0) record(UNLINK, 0, 0, path, strlen(path));
    pthread_mutex_unlock(&turn);
    return done;
}
