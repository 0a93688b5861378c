// Binding a network to its weights, once for all predictors.
#include "predict/model.h"

#include <algorithm>

namespace heddle::predict {

Model::Model(std::string_view json, std::string_view bytes) : symbol(Symbol::from_json(json)) {
  if (!bytes.empty()) params = read_params(bytes);
}

Model::Model(std::string_view json, std::shared_ptr<const MappedFile> file)
    : symbol(Symbol::from_json(json)) {
  if (file) params = read_params(std::move(file));
}

int64_t Model::bytes() const {
  int64_t n = 0;
  for (const auto& [name, t] : params)
    if (!Session::is_prepared(name)) n += t.blob.bytes();
  return n;
}

bool is_label(const Graph& g, std::string_view name) {
  bool read = false;
  const std::vector<int> producer = g.producers();
  for (const Graph::Node& n : g.nodes)
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      const Graph::Node& from = g.nodes[producer[n.inputs[i]]];
      if (from.call || from.name != name) continue;
      if (i == 0 || !n.call->op->backward.ignores_head) return false;
      read = true;
    }
  return read;
}

// The outputs that were asked for by name, of nodes or their own.
Symbol outputs_of(const Symbol& symbol, const std::vector<std::string>& names) {
  if (names.empty()) return symbol;
  const Symbol internals = symbol.internals();
  const std::vector<std::string> all = internals.outputs();
  std::vector<Symbol> parts;
  for (const std::string& name : names) {
    auto it = std::find(all.begin(), all.end(), name + "_output");
    if (it == all.end()) it = std::find(all.begin(), all.end(), name);
    check(it != all.end(), "[predict] found no output '{}' in the network", name);
    parts.push_back(internals[int(it - all.begin())]);
  }
  return Symbol::group(parts);
}

Session session_for(const Model& model, const Symbol& symbol, const InputTypes& inputs,
                    Buffer* buffer = nullptr) {
  NetworkSpec spec{.training = false};
  std::map<std::string, Tensor, std::less<>> given = model.params;
  for (const auto& [name, type] : inputs) given.erase(name);
  for (const auto& [name, t] : given)
    if (!Session::is_prepared(name)) spec.known[name] = {t.blob.shape, t.blob.dtype, Stype::kDense};
  for (const auto& [name, type] : inputs) {
    spec.known[name] = {type.shape, type.dtype, Stype::kDense};
    spec.inputs.insert(name);
  }
  Network network = analyse(symbol, std::move(spec));
  for (const auto& [name, type] : inputs)
    check(network.find(name) >= 0, "[predict] found input '{}', expected a variable of the network",
          name);
  for (const Network::Variable& v : network.variables)
    check(given.contains(v.name) || inputs.contains(v.name) || is_label(Graph::of(symbol), v.name),
          "[predict] '{}' is missing, expected it in params or among the inputs", v.name);
  return Session(std::move(network), std::move(given), true, buffer);
}

Predictor::Predictor(std::shared_ptr<const Model> model, InputTypes inputs,
                     const std::vector<std::string>& outputs, Buffer* buffer)
    : model_(std::move(model)),
      symbol_(outputs_of(model_->symbol, outputs)),
      inputs_(std::move(inputs)),
      names_(symbol_.outputs()),
      session_(session_for(*model_, symbol_, inputs_, buffer)) {}

bool same(const InputTypes& a, const InputTypes& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.shape == y.second.shape &&
           x.second.dtype == y.second.dtype;
  });
}

Predictor::Predictor(const Predictor& like, InputTypes inputs)
    : model_(like.model_),
      symbol_(like.symbol_),
      inputs_(std::move(inputs)),
      names_(like.names_),
      session_(same(inputs_, like.inputs_) ? like.session_.share()
                                           : session_for(*model_, symbol_, inputs_)) {}

Predictor Predictor::reshape(const InputTypes& changed) const {
  InputTypes inputs = inputs_;
  for (const auto& [name, type] : changed) {
    const auto it = inputs.find(name);
    check(it != inputs.end(), "[predict] found no input '{}'", name);
    it->second = type;
  }
  return Predictor(*this, std::move(inputs));
}

const Blob& Predictor::input(std::string_view name) const {
  check(inputs_.contains(name), "[predict] found no input '{}'", name);
  return session_.variable(name);
}

const Blob& Predictor::output(int i) const {
  check(i >= 0 && i < outputs(), "[predict] found output {}, expected 0 to {}", i, outputs() - 1);
  return session_.outputs()[size_t(i)];
}

// Before what was made comes room, so that in the file it begins with a page, and behind it how
// much.
std::string Predictor::save() const {
  ParamsWriter file;
  for (const auto& [name, t] : model_->params) {
    if (Session::is_prepared(name)) continue;
    const int i = session_.network().find(name);
    file.add((i >= 0 && session_.network().variables[size_t(i)].aux ? "aux:" : "arg:") + name,
             t.blob);
  }
  if (const Session::Prepared& made = session_.prepared(); !made.bytes.empty()) {
    const uint64_t room = -file.next(1) % Session::kPreparedAlignment;
    std::string bytes(room, 0);
    bytes += made.bytes;
    bytes.append(reinterpret_cast<const char*>(&room), sizeof room);
    file.add(made.name, Blob{bytes.data(), {int64_t(bytes.size())}, Dtype::kUint8, Device{}});
  }
  return file.file();
}

void Predictor::forward() {
  next_ = 0;
  session_.forward(false);
}

int Predictor::step(int i) {
  const int steps = session_.steps();
  if (i >= steps && next_ == steps) return 0;
  check(i == 0 || i == next_, "[predict] found step {}, expected 0 or {}", i, next_);
  if (steps > 0) session_.step(i);
  next_ = i + 1;
  return std::max(steps - next_, 0);
}

Tensor as_float32(const Tensor& t) {
  if (t.blob.dtype == Dtype::kFloat32) return t;
  Tensor f;
  f.blob = t.blob;
  f.blob.dtype = Dtype::kFloat32;
  f.memory = std::make_shared<Memory>(f.blob.bytes());
  f.blob.data = f.memory->data();
  with_dtype(t.blob.dtype, "predict", [&]<class T>(T) {
    const T* const from = t.blob.as<T>();
    for (int64_t i = 0; i < t.blob.size(); ++i) f.blob.as<float>()[i] = float(from[i]);
  });
  return f;
}

}  // namespace heddle::predict
