// A reference to something callable, for arguments that are called before the call returns.
#pragma once
#include <memory>
#include <type_traits>
#include <utility>

#include "heddle/api.h"

namespace heddle {

// Two words, no allocation, no ownership. What it refers to must outlive it: take it as a
// parameter, and keep it only where the owner stands beside it.
template <class F>
class FunctionRef;
template <class R, class... A>
class FunctionRef<R(A...)> {
 public:
  FunctionRef() = default;
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> &&
           std::is_invocable_r_v<R, F&, A...>) FunctionRef(F&& f)
      : call_([](void* to, A... a) -> R {
          return (*reinterpret_cast<std::remove_reference_t<F>*>(to))(std::forward<A>(a)...);
        }) {
    if constexpr (std::is_function_v<std::remove_reference_t<F>>) to_ = reinterpret_cast<void*>(f);
    else to_ = const_cast<void*>(static_cast<const volatile void*>(std::addressof(f)));
  }
  R operator()(A... a) const { return call_(to_, std::forward<A>(a)...); }
  explicit operator bool() const { return call_ != nullptr; }

 private:
  void* to_ = nullptr;
  R (*call_)(void*, A...) = nullptr;
};

}  // namespace heddle
