// Parameters of an operator: a plain struct plus one fields() function that names them. The same
// walk parses strings, prints, documents and generates bindings.
//
//   struct ConvParam {
//     Shape kernel;
//     int64_t num_filter = 0;
//     std::optional<int64_t> axis;
//     Layout layout = Layout::kNchw;
//     void fields(auto&& f) {
//       f("kernel", kernel, "Extent of the window.").required();
//       f("num_filter", num_filter, "Number of output channels.").required().at_least(1);
//       f("axis", axis, "None means all.");
//       f("layout", layout, "Order of the axes.").names({"NCHW", "NHWC"});   // enumerators 0, 1
//       f("workspace", workspace, "Megabytes that cuDNN might use.").ignored();
//     }
//   };
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "heddle/base.h"

namespace heddle {

using Kwargs = std::map<std::string, std::string, std::less<>>;

// A parameter that is a graph (the body of a loop): the text of its JSON.
struct HEDDLE_API GraphText {
  std::string json;
};

struct HEDDLE_API FieldInfo {
  std::string name, type, default_value, doc;
  bool required = false;
  std::vector<std::string> choices = {};  // of an enum
  bool ignored = false;  // taken so that old programs and files work; has no effect
  std::optional<double> at_least = {}, at_most = {};
};

// Each parse() reads the whole text or returns false. The texts are those of MXNet's files:
// "True", "(2, 3)", "3", "None", "1e-3", "2L".
namespace param {
HEDDLE_API bool parse(std::string_view s, bool& v);
HEDDLE_API bool parse(std::string_view s, int& v);
HEDDLE_API bool parse(std::string_view s, int64_t& v);
HEDDLE_API bool parse(std::string_view s, uint32_t& v);
HEDDLE_API bool parse(std::string_view s, uint64_t& v);
HEDDLE_API bool parse(std::string_view s, float& v);
HEDDLE_API bool parse(std::string_view s, double& v);
HEDDLE_API bool parse(std::string_view s, std::string& v);
HEDDLE_API bool parse(std::string_view s, Shape& v);  // "None" gives an unknown rank
HEDDLE_API bool parse(std::string_view s, Dtype& v);  // "None" gives kUnknown
HEDDLE_API bool parse(std::string_view s, GraphText& v);
HEDDLE_API bool parse(std::string_view s, std::vector<double>& v);
HEDDLE_API bool parse(std::string_view s, std::vector<int64_t>& v);
HEDDLE_API bool parse(std::string_view s, std::vector<std::optional<int64_t>>& v);  // "(None, 1)"
template <class T>
bool parse(std::string_view s, std::optional<T>& v) {
  if (s == "None") return v.reset(), true;
  return parse(s, v.emplace());
}

HEDDLE_API std::string print(bool v);  // "True"
HEDDLE_API std::string print(int64_t v);
HEDDLE_API std::string print(uint64_t v);
HEDDLE_API std::string print(double v);
HEDDLE_API std::string print(float v);
HEDDLE_API std::string print(const std::string& v);
HEDDLE_API std::string print(const Shape& v);  // "(2, 3)", "(2,)", "None"
HEDDLE_API std::string print(Dtype v);
HEDDLE_API std::string print(const GraphText& v);
HEDDLE_API std::string print(const std::vector<double>& v);
HEDDLE_API std::string print(const std::vector<int64_t>& v);
HEDDLE_API std::string print(const std::vector<std::optional<int64_t>>& v);
inline std::string print(int v) { return print(int64_t(v)); }
inline std::string print(uint32_t v) { return print(uint64_t(v)); }
template <class T>
std::string print(const std::optional<T>& v) {
  return v ? print(*v) : "None";
}

template <class T>
inline constexpr const char* type_name = "string";
template <>
inline constexpr const char* type_name<bool> = "bool";
template <>
inline constexpr const char* type_name<int> = "int";
template <>
inline constexpr const char* type_name<int64_t> = "int";
template <>
inline constexpr const char* type_name<uint32_t> = "int";
template <>
inline constexpr const char* type_name<uint64_t> = "int";
template <>
inline constexpr const char* type_name<float> = "float";
template <>
inline constexpr const char* type_name<double> = "float";
template <>
inline constexpr const char* type_name<Shape> = "Shape";
template <>
inline constexpr const char* type_name<Dtype> = "dtype";
template <>
inline constexpr const char* type_name<GraphText> = "Graph";
template <>
inline constexpr const char* type_name<std::vector<double>> = "tuple of float";
template <>
inline constexpr const char* type_name<std::vector<int64_t>> = "tuple of int";
template <>
inline constexpr const char* type_name<std::vector<std::optional<int64_t>>> =
    "tuple of int or None";
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
}  // namespace param

// Handed to P::fields(). Parses the struct from strings, describes it, or prints it.
class FieldVisitor {  // not shown as a whole: every type of a field has a function here
 public:
  explicit FieldVisitor(const Kwargs* from) : from_(from) {}

  template <class T>
  FieldVisitor& operator()(std::string_view name, T& v, std::string_view doc) {
    FieldInfo info{std::string(name), {}, {}, std::string(doc)};
    if constexpr (std::is_enum_v<T> && !std::is_same_v<T, Dtype>) {
      info.type = "enum";
      enum_ = &v;
      set_enum_ = [](void* at, int value) { *static_cast<T*>(at) = static_cast<T>(value); };
      enum_value_ = static_cast<int>(v);
      optional_enum_ = false;
    } else if constexpr (requires {
                           typename T::value_type;
                           requires std::is_enum_v<typename T::value_type> &&
                               !std::is_same_v<typename T::value_type, Dtype>;
                         }) {
      using E = typename T::value_type;
      info.type = "enum or None";
      enum_ = &v;
      set_enum_ = [](void* at, int value) {
        auto& o = *static_cast<T*>(at);
        if (value < 0) o.reset();
        else o = static_cast<E>(value);
      };
      enum_value_ = v ? static_cast<int>(*v) : -1;
      optional_enum_ = true;
    } else {
      enum_ = nullptr;
      if constexpr (param::IsOptional<T>::value)
        info.type = param::type_name<typename T::value_type>, info.type += " or None";
      else info.type = param::type_name<T>;
      info.default_value = param::print(v);
      if (const std::string* text = take(name))
        if (!param::parse(*text, v)) bad_value(name, *text, info.type);
    }
    if constexpr (std::is_arithmetic_v<T>) value_ = static_cast<double>(v);
    given_ = from_ && from_->find(name) != from_->end();
    fields.push_back(std::move(info));
    return *this;
  }
  // The texts of an enum's values 0, 1, 2 ...; must follow the field of an enum.
  HEDDLE_API FieldVisitor& names(std::initializer_list<const char*> texts);
  HEDDLE_API FieldVisitor& required();
  HEDDLE_API FieldVisitor& at_least(double lo);
  HEDDLE_API FieldVisitor& range(double lo, double hi);  // inclusive
  HEDDLE_API FieldVisitor& ignored();                    // accepted, and without effect

  // Throws on a keyword that no field took. Keys like __ctx_group__ belong to the graph and pass.
  HEDDLE_API void finish(std::string_view op) const;

  std::vector<FieldInfo> fields;

 private:
  HEDDLE_API const std::string* take(std::string_view name) const;
  [[noreturn]] HEDDLE_API void bad_value(std::string_view name, std::string_view text,
                                         std::string_view type) const;
  const Kwargs* from_;
  bool given_ = false;
  double value_ = 0;
  void* enum_ = nullptr;
  void (*set_enum_)(void*, int) = nullptr;
  int enum_value_ = 0;
  bool optional_enum_ = false;
};

struct HEDDLE_API NoParam {
  void fields(auto&&) {}
};

// The parameter struct of one operator with its type erased.
struct HEDDLE_API ParamSchema {
  // Parses, or throws Error "[op] ..." naming the parameter, what was found and what was expected.
  std::shared_ptr<const void> (*parse)(std::string_view op, const Kwargs&) = nullptr;
  std::vector<FieldInfo> (*describe)() = nullptr;
  // The texts of all values of a parsed struct, in the order of describe().
  std::vector<std::string> (*values)(const void* params) = nullptr;
};
template <class P>
ParamSchema schema() {
  return {[](std::string_view op, const Kwargs& kw) -> std::shared_ptr<const void> {
            auto p = std::make_shared<P>();
            FieldVisitor v(&kw);
            attempt([&] { p->fields(v); },
                    [&](std::string_view text) { fail("[{}] {}", op, text); });
            v.finish(op);
            return p;
          },
          [] {
            P p;
            FieldVisitor v(nullptr);
            p.fields(v);
            return v.fields;
          },
          [](const void* params) {
            P p = *static_cast<const P*>(params);
            FieldVisitor v(nullptr);
            p.fields(v);
            std::vector<std::string> texts;
            for (FieldInfo& f : v.fields) texts.push_back(std::move(f.default_value));
            return texts;
          }};
}

}  // namespace heddle
