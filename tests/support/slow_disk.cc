// Preloaded into the proxy: while the file that CROSSFADE_TEST_HANG names is there,
// fdatasync does not return, as on a disk that hangs.
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

extern "C" int fdatasync(int fd) {
  const char* hang = std::getenv("CROSSFADE_TEST_HANG");
  while (hang != nullptr && access(hang, F_OK) == 0) usleep(1000);
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}
