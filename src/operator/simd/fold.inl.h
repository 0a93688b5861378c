// Sixteen partial results to one, always in the same order: each of the first half with its
// counterpart in the second. Include it inside a file that each_target.h includes.
#include <utility>

namespace heddle::ops::HEDDLE_ISA {
#define HEDDLE_FOLD inline __attribute__((always_inline))

// Of numbers and of vectors: the halves of a vector stay in registers. By reference, as how vectors
// are passed depends on the instruction set.
struct Plus {
  HEDDLE_FOLD static void add(auto& to, const auto& a, const auto& b) { to = a + b; }
};
struct Larger {
  HEDDLE_FOLD static void add(auto& to, const auto& a, const auto& b) { to = a > b ? a : b; }
};

template <class A, int kCount>
struct Lanes {
  typedef A Vector __attribute__((vector_size(kCount * sizeof(A))));
};
template <class F, int kCount, class A, int... kAt>
HEDDLE_FOLD A fold_vector(const typename Lanes<A, kCount>::Vector& v,
                          std::integer_sequence<int, kAt...>) {
#if __has_builtin(__builtin_shufflevector)
  if constexpr (kCount > 2) {
    typename Lanes<A, kCount / 2>::Vector half;
    F::add(half, __builtin_shufflevector(v, v, kAt...),
           __builtin_shufflevector(v, v, (kAt + kCount / 2)...));
    return fold_vector<F, kCount / 2, A>(half, std::make_integer_sequence<int, kCount / 4>());
  }
#endif
  A t[kCount];
  for (int i = 0; i < kCount; ++i) t[i] = v[i];
  for (int half = kCount / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) F::add(t[i], t[i], t[i + half]);
  return t[0];
}
template <class F, class A>
HEDDLE_FOLD A fold16(const A* from) {
  typename Lanes<A, 16>::Vector v;
  __builtin_memcpy(&v, from, sizeof v);
  return fold_vector<F, 16, A>(v, std::make_integer_sequence<int, 8>());
}
#undef HEDDLE_FOLD

}  // namespace heddle::ops::HEDDLE_ISA
