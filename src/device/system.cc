// What the library asks of the operating system: POSIX, and Linux where it has more.
#include "device/system.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "device/cgroup.h"

namespace heddle::system {

int process() { return static_cast<int>(getpid()); }

int processors_of_this_process() {
#ifdef __linux__
  // Masks grow beyond cpu_set_t's 1024 processors on large machines.
  for (int room = 1024; room <= (1 << 20); room *= 2) {
    cpu_set_t* set = CPU_ALLOC(room);
    if (!set) break;
    const size_t bytes = CPU_ALLOC_SIZE(room);
    const bool read = sched_getaffinity(0, bytes, set) == 0;
    const int count = read ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (read) return count;
  }
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

int64_t usable_bytes() {
  const int64_t all = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  const int64_t limit = cgroup::memory_limit("/proc/self/cgroup", "/sys/fs/cgroup");
  return limit > 0 ? std::min(limit, all) : all;
}

int64_t free_bytes() {
#ifdef _SC_AVPHYS_PAGES
  return int64_t{sysconf(_SC_AVPHYS_PAGES)} * sysconf(_SC_PAGESIZE);
#else
  return usable_bytes();
#endif
}

int this_thread() {
#ifdef __linux__
  return gettid();
#else
  return -1;
#endif
}

void move_from_here([[maybe_unused]] int thread) {
#ifdef __linux__
  cpu_set_t allowed;
  const int here = sched_getcpu();
  if (here < 0 || sched_getaffinity(thread, sizeof(allowed), &allowed) != 0) return;
  if (CPU_COUNT(&allowed) < 2 || !CPU_ISSET(here, &allowed)) return;
  cpu_set_t elsewhere = allowed;
  CPU_CLR(here, &elsewhere);
  if (sched_setaffinity(thread, sizeof(elsewhere), &elsewhere) == 0)
    sched_setaffinity(thread, sizeof(allowed), &allowed);
#endif
}

void at_fork(void (*before)(), void (*in_parent)(), void (*in_child)()) {
  pthread_atfork(before, in_parent, in_child);
}

std::string folder_of(const void* function) {
  Dl_info info = {};
  if (!dladdr(function, &info) || !info.dli_fname) return "";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

SharedObject::SharedObject(const std::string& path)
    : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_) return;
  const char* const why = dlerror();
  fail("cannot load '{}': {}", path, why ? why : "the loader does not say why");
}

void* SharedObject::find(const char* symbol) const { return dlsym(handle_, symbol); }

}  // namespace heddle::system
