// Writes JSON.
#pragma once
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "heddle/param.h"

namespace heddle {

// Objects and lists on the way to text; commas come by themselves.
class JsonWriter {
 public:
  std::string text;

  JsonWriter& key(std::string_view name) {
    comma();
    append_quoted(text, name);
    text += ": ";
    after_key_ = true;
    return *this;
  }
  void value(std::string_view s) { comma(), append_quoted(text, s); }
  void value(const std::string& s) { value(std::string_view(s)); }
  void value(const char* s) { value(std::string_view(s)); }
  void value(bool b) { comma(), text += b ? "true" : "false"; }
  void value(std::nullptr_t) { comma(), text += "null"; }
  void value(double v) {
    comma();
    if (v == std::floor(v) && std::fabs(v) < 1e15) append(text, int64_t(v));
    else append(text, v);
  }
  void value(const std::optional<double>& v) { v ? value(*v) : value(nullptr); }
  template <class Body>
  void object(Body&& body) {
    between('{', '}', body);
  }
  template <class Items, class Each>
  void list(const Items& items, Each&& each) {
    between('[', ']', [&] {
      for (const auto& item : items) each(item);
    });
  }
  void value(const std::vector<std::string>& items) {
    list(items, [&](const std::string& s) { value(s); });
  }

 private:
  void comma() {
    if (!after_key_ && !text.empty() && text.back() != '{' && text.back() != '[' &&
        text.back() != '\n')
      text += ", ";
    after_key_ = false;
  }
  template <class Body>
  void between(char open, char close, Body&& body) {
    comma();
    text += open;
    body();
    text += close;
  }
  bool after_key_ = false;
};

// Parameters as a list of objects.
void write_fields(JsonWriter& w, const std::vector<FieldInfo>& fields);

}  // namespace heddle
