// The table of settings.
#include "base/settings.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/numbers.h"
#include "heddle/base.h"

namespace heddle {
namespace settings_table {

constexpr Setting kTable[] = {
    {"HEDDLE_ENGINE", "threaded",
     "Which engine runs tasks: naive (each at its push, for debugging), threaded, or per_device.",
     "naive threaded per_device"},
    {"HEDDLE_THREADS", "0",
     "Threads that work at once. 0: as many as the affinity mask and the cgroup quota allow."},
    {"HEDDLE_INFLIGHT_BYTES", "0",
     "Bytes that tasks not yet done may keep alive before pushes wait. 0: half the memory."},
    {"HEDDLE_STRICT_READS", "0",
     "1: every read of an array whose task failed raises; otherwise the first one does, and later "
     "ones give NaN or zero."},
    {"HEDDLE_ISA_LEVEL", "",
     "Highest instruction-set level of our own loops: v2, v3 or v4. Empty: what the machine has.",
     "v2 v3 v4"},
    {"HEDDLE_KERNELS", "",
     "Prefer CPU kernels of this library, where an operator has one: portable, onednn, blas. "
     "tuned: bound graphs measure the kernels of each call once, and remember the fastest in "
     "~/.cache/heddle/kernels.json; the last bits of answers may depend on it.",
     "portable onednn blas tuned"},
    {"HEDDLE_PASSES", "",
     "Passes over graphs that are left out, to find out which one does harm: -constants, "
     "-delay, -fold, -fuse, -pack, -pointwise, -recompute, -views, with commas between.",
     "-constants -delay -fold -fuse -pack -pointwise -recompute -views", true},
    {"HEDDLE_POOL", "1",
     "0: freed memory goes back to the device at once instead of being kept for reuse."},
    {"HEDDLE_CUDA_LIBRARY", "",
     "Path of the CUDA part. Empty: libheddle_cuda.so beside the library itself."},
    {"HEDDLE_MEMORY_BUDGET", "0",
     "Bytes that a bound graph may take beside its parameters: \"300MB\", \"2GiB\". 0: no limit."},
    {"MXNET_BACKWARD_DO_MIRROR", "0",
     "1: bound graphs recompute in backward what costs little, whatever part of the time it "
     "takes."},
    {"MXNET_UPDATE_ON_KVSTORE", "1",
     "0: on several devices every one updates its own copy of the parameters, not the store."},
};
static_assert(std::size(kTable) <= 12);

const Setting& find(std::string_view name) {
  for (const Setting& s : kTable)
    if (s.name == name) return s;
  fail("[settings] found no setting named '{}'", name);
}

// Is `value` one of the words of `choices`?
bool is_choice(std::string_view choices, std::string_view value) {
  for (size_t at = 0; at < choices.size();) {
    const size_t end = std::min(choices.find(' ', at), choices.size());
    if (choices.substr(at, end - at) == value) return true;
    at = end + 1;
  }
  return false;
}

// Is `value` what `s` lets be said?
bool is_valid(const Setting& s, std::string_view value) {
  if (s.choices.empty()) return true;
  if (!s.several) return is_choice(s.choices, value);
  for (size_t at = 0; at <= value.size();) {
    const size_t end = std::min(value.find(',', at), value.size());
    if (!is_choice(s.choices, value.substr(at, end - at))) return false;
    at = end + 1;
  }
  return true;
}

// "a b c" as "a, b or c".
std::string listed(std::string_view choices) {
  std::string text;
  for (size_t at = 0; at < choices.size(); ++at) {
    if (choices[at] != ' ') text += choices[at];
    else text += choices.find(' ', at + 1) == std::string_view::npos ? " or " : ", ";
  }
  return text;
}

}  // namespace settings_table

std::span<const Setting> settings() { return settings_table::kTable; }

std::string setting(std::string_view name) {
  const Setting& s = settings_table::find(name);
  const char* value = std::getenv(std::string(name).c_str());
  if (!value || !*value) return std::string(s.fallback);
  check(settings_table::is_valid(s, value), "[settings] {} is '{}', expected {}{}", name, value,
        settings_table::listed(s.choices),
        s.several ? ", or some of them, with commas between" : "");
  return value;
}

int64_t setting_int(std::string_view name) {
  const std::string text = setting(name);
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = numbers::read(text.data(), end, value);
  check(error == std::errc() && at == end && value >= 0,
        "[settings] {} is '{}', expected a whole number from 0", name, text);
  return value;
}

bool setting_flag(std::string_view name) {
  const std::string text = setting(name);
  for (std::string_view yes : {"1", "true", "on", "yes"})
    if (text == yes) return true;
  for (std::string_view no : {"0", "false", "off", "no"})
    if (text == no) return false;
  fail("[settings] {} is '{}', expected 0 or 1", name, text);
}

int64_t bytes_of(std::string_view text) {
  double number = 0;
  const auto [end, error] = numbers::read(text.data(), text.data() + text.size(), number);
  std::string unit;
  for (const char* p = end; p != text.data() + text.size(); ++p)
    if (*p != ' ') unit += char(std::toupper(static_cast<unsigned char>(*p)));
  double factor = 0;
  if (unit.empty() || unit == "B") factor = 1;
  constexpr std::string_view kPrefixes = "KMGT";
  if (const size_t power = unit.empty() ? kPrefixes.npos : kPrefixes.find(unit[0]);
      power != kPrefixes.npos) {
    const std::string_view rest = std::string_view(unit).substr(1);
    const double base = rest == "B" || rest.empty() ? 1000 : rest == "IB" ? 1024 : 0;
    factor = base;
    for (size_t i = 0; i < power; ++i) factor *= base;
  }
  check(error == std::errc() && number >= 0 && factor > 0 && number * factor < 9e18,
        "found '{}', expected a number of bytes such as 1000, 300MB or 1.5GiB", text);
  return int64_t(number * factor);
}

}  // namespace heddle
