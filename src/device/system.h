// All that the rooms above base ask of the operating system, with what to do where there is none of
// it; files are base's (atomic_file.h), threads and sleep the engine's (engine/parts/system.h).
#pragma once
#include <string>

#include "heddle/base.h"

namespace heddle::system {

int process();                     // its number
int processors_of_this_process();  // by its affinity mask
int64_t usable_bytes();            // of memory: the machine's, or the limit of the control group
int64_t free_bytes();              // of memory, now
constexpr size_t kHugePage = size_t{2} << 20;
// Memory at a multiple of 64 bytes, for std::free; null where there is none. From 2 MiB on it asks
// for huge pages: fewer page faults on first use, and fewer addresses to look up.
void* allocate(size_t bytes);
// The same for memory that is there but was not touched yet.
void prefer_huge_pages(void* memory, size_t bytes);

// Threads, by number. A thread that is woken may be left to wait for the processor of the one that
// woke it, for milliseconds, while another processor is idle (Lozi et al., "The Linux scheduler: a
// decade of wasted cores", EuroSys 2016): move_from_here() puts it where else it may run.
int this_thread();  // -1 where threads cannot be moved
void move_from_here(int thread);

// Around each fork, also one that the library is not told of; each may be null.
void at_fork(void (*before)(), void (*in_parent)(), void (*in_child)());

// The folder, with its last slash, of the file that a function of this process comes from; "" where
// that is not known.
std::string folder_of(const void* function);

// A shared object, opened at run time; it stays until the process ends.
class SharedObject {
 public:
  // Throws Error with the loader's words. A path without a slash is searched for as the loader
  // does.
  explicit SharedObject(const std::string& path);
  void* find(const char* symbol) const;  // null: it has none
  template <class F>
  F* function(const char* symbol) const {
    return reinterpret_cast<F*>(find(symbol));
  }
  const void* handle() const { return handle_; }  // the same for the same file

 private:
  void* handle_;
};

}  // namespace heddle::system
