/* Makes every sync of a process take SYNC_MS milliseconds longer, as on a disk that takes its time: what sharing syncs is worth cannot be seen where they cost next
   to nothing.

     cc -shared -fPIC -o /tmp/slow_sync.so benches/writes/slow_sync.c -ldl
     SYNC_MS=8 LD_PRELOAD=/tmp/slow_sync.so cargo bench --bench writes */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_for_the_disk(void) {
    const char *ms = getenv("SYNC_MS");
    if (ms) usleep(1000 * atoi(ms));
}

int fsync(int file) {
    int (*sync)(int) = dlsym(RTLD_NEXT, "fsync");
    wait_for_the_disk();
    return sync(file);
}

int fdatasync(int file) {
    int (*sync)(int) = dlsym(RTLD_NEXT, "fdatasync");
    wait_for_the_disk();
    return sync(file);
}
