// Failures: made from exceptions, raised as TaskError.
#include "engine/queue/failure.h"

#include <algorithm>
#include <atomic>
#include <mutex>

namespace heddle::engine {

bool Failure::first_time(uint64_t thread) {
  std::lock_guard lock(lock_);
  if (std::find(heard_.begin(), heard_.end(), thread) != heard_.end()) return false;
  heard_.push_back(thread);
  return true;
}

bool Failure::heard_by(uint64_t thread) {
  std::lock_guard lock(lock_);
  return std::find(heard_.begin(), heard_.end(), thread) != heard_.end();
}

FailureRef make_root(std::exception_ptr cause, const Origin& of) {
  static constinit std::atomic<uint64_t> made{0};
  auto f = std::make_shared<Failure>();
  f->cause = std::move(cause);
  f->task = of.name;
  f->place = of.place;
  f->order = made.fetch_add(1, std::memory_order_relaxed);
  return f;
}

FailureRef make_failure(std::exception_ptr cause, const Origin& of) {
  try {
    std::rethrow_exception(cause);
  } catch (const TaskError& e) {
    if (e.root) return e.root;
  } catch (...) {
  }
  return make_root(std::move(cause), of);
}

FailureRef make_cancelled(const Origin& of) {
  FailureRef f = make_root(std::make_exception_ptr(Error("cancelled")), of);
  f->cancelled = true;
  return f;
}

std::string text_of(const std::exception_ptr& cause) {
  try {
    std::rethrow_exception(cause);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

void raise(const FailureRef& failure, int more) {
  std::string text = text_of(failure->cause);
  if (!failure->task.empty()) text += format(" [in task {}", failure->task);
  else text += " [in a task";
  if (failure->place.file)
    text += format(", pushed at {}:{}", failure->place.file, failure->place.line);
  text += "]";
  if (more > 0) text += format(" (and {} more failed)", more);
  throw TaskError(text, failure);
}

void FailureLog::add(FailureRef failure) {
  FailureRef dropped;  // destroyed after the lock is let go: it may hold the user's objects
  std::lock_guard lock(lock_);
  kept_.push_back(std::move(failure));
  if (kept_.size() > kKept) {
    dropped = std::move(kept_.front());
    kept_.pop_front();
  }
}

FailureRef FailureLog::next_for(uint64_t thread, int* more) {
  std::vector<FailureRef> all;
  {
    std::lock_guard lock(lock_);
    all.assign(kept_.begin(), kept_.end());
  }
  FailureRef first;
  *more = 0;
  for (FailureRef& f : all) {
    if (!first) {
      if (f->first_time(thread)) first = std::move(f);
    } else if (!f->heard_by(thread)) {
      ++*more;
    }
  }
  return first;
}

}  // namespace heddle::engine

namespace heddle {

TaskError::TaskError(const std::string& text, std::shared_ptr<engine::Failure> failure)
    : Error(text), cause(failure->cause), root(std::move(failure)) {}

}  // namespace heddle
