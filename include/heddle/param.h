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

// What is said of operators and parameters to people. A program that only predicts is compiled
// without: taken like a text, not kept.
#ifdef HEDDLE_NO_DOCS
struct Doc {
  constexpr Doc() = default;
  constexpr Doc(const char*) {}
  constexpr Doc(std::string_view) {}
  Doc(const std::string&) {}
};
using DocView = Doc;
#else
using Doc = std::string;
using DocView = std::string_view;
#endif

struct HEDDLE_API FieldInfo {
  std::string name, type, default_value;
  Doc doc;
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

// What can be done with a field of one type, its place given.
struct FieldType {
  const char* name;
  bool optional;
  // Of all but enums.
  bool (*parse)(std::string_view text, void* field) = nullptr;
  std::string (*print)(const void* field) = nullptr;
  double (*number)(const void* field) = nullptr;  // of numbers
  // Of enums; -1: none.
  int (*get)(const void* field) = nullptr;
  void (*set)(void* field, int value) = nullptr;
};
namespace param {
template <class T>
constexpr FieldType type_of() {
  using Value = typename decltype([] {
    if constexpr (IsOptional<T>::value) return std::type_identity<typename T::value_type>();
    else return std::type_identity<T>();
  }())::type;
  FieldType type{nullptr, IsOptional<T>::value};
  if constexpr (std::is_enum_v<Value> && !std::is_same_v<Value, Dtype>) {
    type.name = "enum";
    type.get = [](const void* field) {
      const T& v = *static_cast<const T*>(field);
      if constexpr (IsOptional<T>::value) return v ? int(*v) : -1;
      else return int(v);
    };
    type.set = [](void* field, int value) {
      if constexpr (IsOptional<T>::value)
        if (value < 0) return static_cast<T*>(field)->reset();
      *static_cast<T*>(field) = Value(value);
    };
  } else {
    type.name = type_name<Value>;
    type.parse = [](std::string_view text, void* field) {
      return param::parse(text, *static_cast<T*>(field));
    };
    type.print = [](const void* field) { return param::print(*static_cast<const T*>(field)); };
    if constexpr (std::is_arithmetic_v<T>)
      type.number = [](const void* field) { return double(*static_cast<const T*>(field)); };
  }
  return type;
}
template <class T>
inline constexpr FieldType field_type = type_of<T>();
}  // namespace param

// Handed to P::fields(). Parses the struct from strings, describes it, or prints one of its fields.
// Fields are looked at by the functions of their types, so that walking a struct is little code.
class HEDDLE_API FieldVisitor {
 public:
  static FieldVisitor parsing(const Kwargs& from) { return FieldVisitor(&from, nullptr, {}); }
  static FieldVisitor describing(std::vector<FieldInfo>& to) {
    return FieldVisitor(nullptr, &to, {});
  }
  static FieldVisitor printing(std::string_view name) {
    return FieldVisitor(nullptr, nullptr, name);
  }

  template <class T>
  FieldVisitor& operator()(std::string_view name, T& v, DocView doc) {
    return field(name, &v, param::field_type<T>, doc);
  }
  // The texts of an enum's values 0, 1, 2 ...; must follow the field of an enum.
  FieldVisitor& names(std::initializer_list<const char*> texts);
  FieldVisitor& required();
  FieldVisitor& at_least(double lo);
  FieldVisitor& range(double lo, double hi);  // inclusive
  FieldVisitor& ignored();                    // accepted, and without effect

  // Throws on a keyword that no field took. Keys like __ctx_group__ belong to the graph and pass.
  void finish(std::string_view op) const;
  const std::optional<std::string>& text() const { return text_; }  // that was printed

 private:
  struct Seen {
    std::string_view name;
    void* at;
    const FieldType* type;
    const std::string* given;  // the text; null: none
    bool required = false;
  };
  FieldVisitor(const Kwargs* from, std::vector<FieldInfo>* to, std::string_view printed)
      : from_(from), to_(to), printed_(printed) {}
  FieldVisitor& field(std::string_view name, void* at, const FieldType& type, DocView doc);
  const Kwargs* from_;
  std::vector<FieldInfo>* to_;
  std::string_view printed_;  // the name of a field
  std::optional<std::string> text_;
  std::vector<Seen> seen_;  // while parsing all of them, else the last
};

struct HEDDLE_API NoParam {
  void fields(auto&&) {}
};

// The parameter struct of one operator with its type erased.
struct HEDDLE_API ParamSchema {
  // Parses, or throws Error "[op] ..." naming the parameter, what was found and what was expected.
  std::shared_ptr<const void> (*parse)(std::string_view op, const Kwargs&) = nullptr;
  std::vector<FieldInfo> (*describe)() = nullptr;
  // The text of one value of a parsed struct; none where no parameter has that name.
  std::optional<std::string> (*text)(const void* params, std::string_view name) = nullptr;
};
template <class P>
ParamSchema schema() {
  return {[](std::string_view op, const Kwargs& kw) -> std::shared_ptr<const void> {
            auto p = std::make_shared<P>();
            FieldVisitor v = FieldVisitor::parsing(kw);
            attempt([&] { p->fields(v); },
                    [&](std::string_view text) { fail("[{}] {}", op, text); });
            v.finish(op);
            return p;
          },
          [] {
            P p;
            std::vector<FieldInfo> all;
            FieldVisitor v = FieldVisitor::describing(all);
            p.fields(v);
            return all;
          },
          [](const void* params, std::string_view name) {
            P p = *static_cast<const P*>(params);
            FieldVisitor v = FieldVisitor::printing(name);
            p.fields(v);
            return v.text();
          }};
}

}  // namespace heddle
