// For LD_PRELOAD: while the file named by BROKEN_DISK exists, syncing fails with EIO.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static int broken(void) {
  const char* path = getenv("BROKEN_DISK");
  return path != NULL && access(path, F_OK) == 0;
}

static int fail(void) {
  errno = EIO;
  return -1;
}

int fsync(int fd) { return broken() ? fail() : ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { return broken() ? fail() : ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
