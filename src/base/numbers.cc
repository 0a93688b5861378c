// Texts of floating-point numbers by strtod and snprintf, whose decimal point is the locale's.
#include "base/numbers.h"

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace heddle::numbers {

const char* digits(const char* p, const char* last) {
  return std::find_if(p, last, [](char c) { return c < '0' || c > '9'; });
}

// Where a decimal number, "inf", "infinity" or "nan" ends that starts at `first`; `first`: there is
// none.
const char* end_of(const char* first, const char* last) {
  const char* const p = first != last && *first == '-' ? first + 1 : first;
  for (std::string_view word : {"infinity", "inf", "nan"})
    if (size_t(last - p) >= word.size() &&
        std::equal(word.begin(), word.end(), p, [](char a, char b) { return a == (b | 32); }))
      return p + word.size();
  const char* end = digits(p, last);
  bool any = end != p;
  if (end != last && *end == '.') {
    const char* const fraction = digits(end + 1, last);
    any = any || fraction != end + 1;
    end = fraction;
  }
  if (!any) return first;
  if (end != last && (*end | 32) == 'e') {
    const char* const from = end + 1 + (last - end > 1 && (end[1] == '+' || end[1] == '-'));
    if (const char* const exponent = digits(from, last); exponent != from) end = exponent;
  }
  return end;
}

template <class T, class Parse>
std::from_chars_result read_with(const char* first, const char* last, T& v, Parse&& parse) {
  const char* const end = end_of(first, last);
  if (end == first) return {first, std::errc::invalid_argument};
  std::string text(first, end);
  if (const size_t point = text.find('.'); point != text.npos)
    text.replace(point, 1, std::localeconv()->decimal_point);
  errno = 0;
  const T found = parse(text.c_str());
  if (errno == ERANGE && (found == 0 || found - found != 0))  // not where digits alone are lost
    return {end, std::errc::result_out_of_range};
  v = found;
  return {end, std::errc()};
}

std::from_chars_result read_float(const char* first, const char* last, float& v) {
  return read_with(first, last, v, [](const char* s) { return std::strtof(s, nullptr); });
}
std::from_chars_result read_float(const char* first, const char* last, double& v) {
  return read_with(first, last, v, [](const char* s) { return std::strtod(s, nullptr); });
}

// With a point for whatever the locale has.
std::string printed(const char* format, int precision, double v) {
  char text[400];
  std::string s(text, size_t(std::snprintf(text, sizeof text, format, precision, v)));
  const char* const point = std::localeconv()->decimal_point;
  if (const size_t at = s.find(point); at != s.npos) s.replace(at, std::strlen(point), ".");
  return s;
}

template <class T>
std::to_chars_result write_shortest(char* first, char* last, T v) {
  std::string text;
  if (v != v || v - v != 0) {
    text = printed("%.*f", 0, double(v));
  } else {
    constexpr int kMost = sizeof(T) == 4 ? 9 : 17;  // digits that tell all numbers apart
    T back = 0;
    int after = 0;  // digits behind the first
    for (; after < kMost; ++after) {
      text = printed("%.*e", after, double(v));
      read_float(text.data(), text.data() + text.size(), back);
      if (back == v) break;
    }
    const int exponent = std::atoi(text.c_str() + text.find('e') + 1);
    std::string plain;
    if (exponent > -5 && exponent < 2 * kMost)
      plain = printed("%.*f", std::max(0, after - exponent), double(v));
    if (!plain.empty() && plain.size() <= text.size()) text = plain;
  }
  if (size_t(last - first) < text.size()) return {last, std::errc::value_too_large};
  return {std::copy(text.begin(), text.end(), first), std::errc()};
}

std::to_chars_result write_float(char* first, char* last, float v) {
  return write_shortest(first, last, v);
}
std::to_chars_result write_float(char* first, char* last, double v) {
  return write_shortest(first, last, v);
}

}  // namespace heddle::numbers
