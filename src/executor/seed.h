// Random numbers that were drawn before, once more.
#pragma once
#include <cstdint>
#include <span>

namespace heddle {

// While in scope, next_seed() gives these on this thread, one after the other.
class SeedsAgain {
 public:
  explicit SeedsAgain(std::span<const uint64_t> seeds);
  ~SeedsAgain();
  SeedsAgain(const SeedsAgain&) = delete;
  SeedsAgain& operator=(const SeedsAgain&) = delete;
  uint64_t next();

 private:
  std::span<const uint64_t> seeds_;
  size_t at_ = 0;
  SeedsAgain* before_;
};

}  // namespace heddle
