// Numbers and their texts in no locale: std::from_chars and std::to_chars, also where a standard
// library has them for integers alone (libc++ before LLVM 20).
#pragma once
#include <charconv>
#include <type_traits>

namespace heddle::numbers {

// The same in terms of the C library. Tests compare them with the standard ones.
std::from_chars_result read_float(const char* first, const char* last, float& v);
std::from_chars_result read_float(const char* first, const char* last, double& v);
std::to_chars_result write_float(char* first, char* last, float v);
std::to_chars_result write_float(char* first, char* last, double v);

#ifdef __cpp_lib_to_chars
inline constexpr bool kFloats = true;
#else
inline constexpr bool kFloats = false;
#endif

template <class T>
std::from_chars_result read(const char* first, const char* last, T& v) {
  if constexpr (std::is_integral_v<T> || kFloats) return std::from_chars(first, last, v);
  else return read_float(first, last, v);
}
// The shortest text that reads as this number.
template <class T>
std::to_chars_result write(char* first, char* last, T v) {
  if constexpr (std::is_integral_v<T> || kFloats) return std::to_chars(first, last, v);
  else return write_float(first, last, v);
}

}  // namespace heddle::numbers
