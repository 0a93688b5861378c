// Settings from the environment: one table, and the way to read it. Python reads it too.
// Names begin with HEDDLE_, but for those that MXNet's users know.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "heddle/api.h"

namespace heddle {

struct HEDDLE_API Setting {
  std::string_view name;      // "HEDDLE_THREADS"
  std::string_view fallback;  // the value when the variable is unset or empty
  std::string_view doc;
  std::string_view choices = "";  // the values there are, with blanks between; empty: see doc
  bool several = false;           // or some of the choices, with commas between
};

// Every variable the library reads, at most 12. The docs print it.
HEDDLE_API std::span<const Setting> settings();

// The value now: of the environment, or the fallback. Throws Error when the table lacks `name`, or
// when the value is none of its choices.
HEDDLE_API std::string setting(std::string_view name);
// The same as a whole number from 0. Throws Error naming the variable when the text is none.
HEDDLE_API int64_t setting_int(std::string_view name);
// A number of bytes: "1000", "300MB", "1.5 GiB". Powers of 1000 for kB, MB, GB and TB, of 1024 for
// KiB, MiB, GiB and TiB. Throws Error when the text is none.
HEDDLE_API int64_t bytes_of(std::string_view text);
// The same as yes or no: "1", "true", "on", "yes" or "0", "false", "off", "no".
HEDDLE_API bool setting_flag(std::string_view name);

}  // namespace heddle
