// What only copies elements needs to know of a dtype: how wide it is.
#pragma once
#include <cstdint>

#include "heddle/base.h"

namespace heddle::ops {

// fn(T{}) with an integer of as many bytes as an element has.
template <class Fn>
void with_width(Dtype d, Fn&& fn) {
  switch (dtype_size(d)) {
    case 1:
      return fn(uint8_t{});
    case 2:
      return fn(uint16_t{});
    case 4:
      return fn(uint32_t{});
    default:
      return fn(uint64_t{});
  }
}

}  // namespace heddle::ops
