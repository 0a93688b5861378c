// Writes heddle/ops.h, a function for every operator, from their records: ops_header FILE.
#include <cstdio>
#include <fstream>
#include <map>
#include <set>

#include "heddle/op.h"

using namespace heddle;

// The type of a parameter in C++; what is not listed is text.
std::string type_of(const FieldInfo& f) {
  static const std::map<std::string, std::string> types = {
      {"bool", "bool"},
      {"int", "int64_t"},
      {"float", "double"},
      {"Shape", "Shape"},
      {"dtype", "Dtype"},
      {"tuple of int", "std::vector<int64_t>"},
      {"tuple of float", "std::vector<double>"},
      {"tuple of int or None", "std::vector<std::optional<int64_t>>"}};
  constexpr std::string_view kOrNone = " or None";
  std::string type = f.type;
  if (const auto it = types.find(type); it != types.end()) return it->second;
  if (!type.ends_with(kOrNone)) return "std::string";
  type.resize(type.size() - kOrNone.size());
  const auto it = types.find(type);
  return it == types.end() ? "std::string" : "std::optional<" + it->second + ">";
}

std::string first_sentence(const std::string& doc) {
  const std::string line = doc.substr(0, doc.find('\n'));
  const size_t end = line.find(". ");
  return end == std::string::npos ? line : line.substr(0, end + 1);
}

std::string about(const FieldInfo& f) {
  std::string text = f.doc.substr(0, f.doc.find('\n'));
  for (size_t i = 0; i < f.choices.size(); ++i)
    text += (i ? ", " : " One of ") + ("\"" + f.choices[i] + "\"");
  if (!f.choices.empty()) text += ".";
  if (f.required) text += " Must be given.";
  else if (!f.default_value.empty() && text.find("default") == std::string::npos)
    text += " Default: " + f.default_value + ".";
  return text;
}

// Whether there is one output whatever the parameters.
bool has_one_output(const OpDef& op) {
  if (op.outputs.depends_on_params()) return false;
  int shown = 0;
  for (const Output& o : op.outputs.fixed()) {
    if (!o.hidden && !o.when.param.empty()) return false;
    shown += !o.hidden;
  }
  return shown == 1;
}

void write(std::ostream& out, const OpDef& op) {
  const std::string &name = op.name, params = name + "Param";
  out << "\n// --- " << name << "\nstruct " << params << " {\n";
  const std::vector<FieldInfo> fields = op.params.describe();
  for (const FieldInfo& f : fields)
    if (!f.ignored && f.name != op.variadic)
      out << "  // " << about(f) << "\n  Field<" << type_of(f) << "> " << f.name << " = {};\n";
  out << "  Kwargs kwargs() const {\n    Kwargs all_;\n";
  for (const FieldInfo& f : fields)
    if (!f.ignored && f.name != op.variadic)
      out << "    " << f.name << ".put(all_, \"" << f.name << "\");\n";
  out << "    return all_;\n  }\n};\n// " << first_sentence(op.doc);
  if (!op.inputs.depends_on_params()) {
    out << " Inputs:";
    std::set<std::string> told;
    for (const Input& i : op.inputs.fixed())
      if (told.insert(i.name).second) out << (told.size() > 1 ? ", " : " ") << i.name;
    if (told.empty()) out << " none";
    out << ".";
  }
  out << "\n";
  const bool one = has_one_output(op);
  const std::string result = one ? "NDArray" : "std::vector<NDArray>";
  if (!op.inputs.depends_on_params() && op.inputs.fixed().empty()) {
    out << "inline Symbol " << name << "(const " << params << "& p, std::string name) {\n"
        << "  return apply_operator(\"" << name << "\", p.kwargs(), {}, {}, std::move(name));\n}\n"
        << "inline " << result << " " << name << "(const " << params
        << "& p = {}, Device device = {}) {\n  return call_operator(\"" << name
        << "\", p.kwargs(), {}, {}, device)" << (one ? "[0]" : "") << ";\n}\n";
    return;
  }
  out << "inline Symbol " << name << "(const Inputs<Symbol>& in, const " << params
      << "& p = {}, std::string name = \"\") {\n  return run(\"" << name
      << "\", in, p.kwargs(), std::move(name));\n}\n"
      << "inline " << result << " " << name << "(const Inputs<NDArray>& in, const " << params
      << "& p = {}, " << result << " out = {}) {\n  return " << (one ? "run_one" : "run") << "(\""
      << name << "\", in, p.kwargs(), std::move(out));\n}\n";
}

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: ops_header FILE\n"), 2;
  std::ofstream out(argv[1], std::ios::binary);
  out << "// A function for every operator, on symbols and on arrays; written by "
         "tools/ops_header.cc.\n"
         "//\n"
         "//   Symbol y = op::Convolution(x, {.kernel = {3, 3}, .num_filter = 64}, \"conv1\");\n"
         "//   NDArray z = op::sum(a, {.axis = {1}});\n"
         "//   op::sgd_update({w, grad}, {.lr = 0.1}, w);  // into w\n"
         "//\n"
         "// Inputs of a symbol that are not given become variables, such as weights. Parameters "
         "that are\n"
         "// not given have their defaults; wrong ones throw Error. Arrays come as a list where "
         "parameters\n"
         "// decide how many there are.\n"
         "#pragma once\n#include \"heddle/op_calls.h\"\n\nnamespace heddle::op {\n";
  for (const OpDef* op : OpTable::get().list()) {
    const bool reserved = op->name.size() > 1 && op->name[0] == '_' && std::isupper(op->name[1]);
    if (!op->forward && !reserved) write(out, *op);
  }
  out << "\n}  // namespace heddle::op\n";
  out.close();
  if (out.fail()) return std::fprintf(stderr, "ops_header: cannot write %s\n", argv[1]), 1;
}
