// Includes HEDDLE_LOOPS once per instruction-set level, each time in its own namespace
// heddle::ops::HEDDLE_ISA, compiled for that level by a target region (never by -m flags: shared
// inline code must stay baseline). Loops may call only always_inline functions and what stands in
// the file itself. The file is included many times: no #pragma once.
#include "operator/simd/level.h"
#ifndef HEDDLE_PICK
#define HEDDLE_STR(x) #x
#ifdef __clang__
#define HEDDLE_BEGIN(t) \
  _Pragma(HEDDLE_STR(clang attribute push(__attribute__((target(t))), apply_to = function)))
#define HEDDLE_END _Pragma("clang attribute pop")
#else
#define HEDDLE_BEGIN(t) _Pragma("GCC push_options") _Pragma(HEDDLE_STR(GCC target(t)))
#define HEDDLE_END _Pragma("GCC pop_options")
#endif
#if HEDDLE_LEVELS >= 4
// The version of a loop for the level in use.
#define HEDDLE_PICK(...)                                                 \
  (::heddle::ops::simd::level() >= 4   ? &::heddle::ops::v4::__VA_ARGS__ \
   : ::heddle::ops::simd::level() == 3 ? &::heddle::ops::v3::__VA_ARGS__ \
                                       : &::heddle::ops::v2::__VA_ARGS__)
// All versions, for a table.
#define HEDDLE_EACH(...)                                              \
  {                                                                   \
    &::heddle::ops::v2::__VA_ARGS__, &::heddle::ops::v3::__VA_ARGS__, \
        &::heddle::ops::v4::__VA_ARGS__                               \
  }
#elif HEDDLE_LEVELS == 3
#define HEDDLE_PICK(...)                                               \
  (::heddle::ops::simd::level() >= 3 ? &::heddle::ops::v3::__VA_ARGS__ \
                                     : &::heddle::ops::v2::__VA_ARGS__)
#define HEDDLE_EACH(...)                                              \
  {                                                                   \
    &::heddle::ops::v2::__VA_ARGS__, &::heddle::ops::v3::__VA_ARGS__, \
        &::heddle::ops::v3::__VA_ARGS__                               \
  }
#else
#define HEDDLE_PICK(...) (&::heddle::ops::v2::__VA_ARGS__)
#define HEDDLE_EACH(...)                                              \
  {                                                                   \
    &::heddle::ops::v2::__VA_ARGS__, &::heddle::ops::v2::__VA_ARGS__, \
        &::heddle::ops::v2::__VA_ARGS__                               \
  }
#endif
#endif

#define HEDDLE_ISA v2
#define HEDDLE_LEVEL 2
#include HEDDLE_LOOPS
#undef HEDDLE_LEVEL
#undef HEDDLE_ISA
#if HEDDLE_LEVELS >= 3
HEDDLE_BEGIN("avx2,fma,f16c,bmi,bmi2,lzcnt")
#define HEDDLE_ISA v3
#define HEDDLE_LEVEL 3
#include HEDDLE_LOOPS
#undef HEDDLE_LEVEL
#undef HEDDLE_ISA
HEDDLE_END
#endif
#if HEDDLE_LEVELS >= 4
HEDDLE_BEGIN("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2,lzcnt")
#define HEDDLE_ISA v4
#define HEDDLE_LEVEL 4
#include HEDDLE_LOOPS
#undef HEDDLE_LEVEL
#undef HEDDLE_ISA
HEDDLE_END
#endif
#undef HEDDLE_LOOPS
