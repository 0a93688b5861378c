// What a task runs: a function of the run context that keeps small closures inside itself.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

#include "heddle/api.h"

namespace heddle {

struct RunContext;

// Holds any `void(RunContext&)`, copyable or not. Closures of up to kRoom bytes live in place:
// making, moving and destroying one then allocates nothing. Move-only; not thread-safe.
class HEDDLE_API TaskBody {
 public:
  static constexpr size_t kRoom = 48;

  TaskBody() = default;
  TaskBody(std::nullptr_t) {}
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, TaskBody> &&
           std::invocable<std::remove_cvref_t<F>&, RunContext&>) TaskBody(F&& f) {
    using Closure = std::remove_cvref_t<F>;
    if constexpr (fits<Closure>()) {
      ::new (room_) Closure(std::forward<F>(f));
      ops_ = &kInPlace<Closure>;
    } else {
      ::new (room_) Closure*(new Closure(std::forward<F>(f)));
      ops_ = &kOnHeap<Closure>;
    }
  }
  TaskBody(TaskBody&& o) noexcept { take(o); }
  TaskBody& operator=(TaskBody&& o) noexcept {
    if (this != &o) reset(), take(o);
    return *this;
  }
  ~TaskBody() { reset(); }

  explicit operator bool() const { return ops_ != nullptr; }
  void operator()(RunContext& context) const { ops_->call(room_, context); }
  void reset() {
    if (const Ops* const ops = std::exchange(ops_, nullptr))
      if (ops->destroy) ops->destroy(room_);
  }

 private:
  struct Ops {
    void (*call)(void*, RunContext&);
    void (*move)(void* from, void* to);  // null: its bytes may be copied
    void (*destroy)(void*);              // null: nothing to do
  };
  template <class F>
  static constexpr bool fits() {
    return sizeof(F) <= kRoom && alignof(F) <= alignof(void*) &&
           std::is_nothrow_move_constructible_v<F>;
  }
  template <class F>
  static constexpr Ops kInPlace{
      [](void* f, RunContext& c) { (*static_cast<F*>(f))(c); },
      std::is_trivially_copyable_v<F> ? nullptr
                                      : +[](void* from, void* to) {
                                          ::new (to) F(std::move(*static_cast<F*>(from)));
                                          static_cast<F*>(from)->~F();
                                        },
      std::is_trivially_destructible_v<F> ? nullptr : +[](void* f) { static_cast<F*>(f)->~F(); }};
  template <class F>
  static constexpr Ops kOnHeap{[](void* f, RunContext& c) { (**static_cast<F**>(f))(c); }, nullptr,
                               [](void* f) { delete *static_cast<F**>(f); }};

  void take(TaskBody& o) {
    ops_ = std::exchange(o.ops_, nullptr);
    if (!ops_) return;
    if (ops_->move) return ops_->move(o.room_, room_);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
    std::memcpy(room_, o.room_, kRoom);  // of fixed length; what the closure does not fill is noise
#pragma GCC diagnostic pop
  }

  alignas(void*) mutable std::byte room_[kRoom];
  const Ops* ops_ = nullptr;
};

}  // namespace heddle
