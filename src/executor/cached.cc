// A cached graph as an operator.
#include "executor/replay.h"
#include "heddle/cached_op.h"

namespace heddle {

class CachedGraph {
 public:
  CachedGraph(Symbol symbol, CachedOptions options)
      : symbol_(std::move(symbol)), options_(options), replay_(symbol_) {}
  std::vector<NDArray> call(std::span<const NDArray* const> in) {
    return replay_.run(in, in.empty() ? Device{} : in[0]->device());
  }
  const Symbol symbol_;
  const CachedOptions options_;
  const Replay replay_;
};

CachedOp::CachedOp(Symbol symbol, CachedOptions options)
    : graph_(std::make_shared<CachedGraph>(std::move(symbol), options)) {}
CachedOp::~CachedOp() = default;

std::vector<NDArray> CachedOp::operator()(std::span<const NDArray* const> inputs) const {
  return graph_->call(inputs);
}

std::vector<NDArray> CachedOp::watched(std::span<const NDArray* const> inputs, const Each& each,
                                       bool inputs_too) const {
  const auto show = [&](const Node& n, std::span<const NDArray* const> in,
                        std::span<const NDArray> out) {
    const OpCall& call = *n.call;
    for (size_t i = 0; inputs_too && i < in.size(); ++i)
      each(n.name + "_" + call.inputs[i].name, call.op->name, *in[i]);
    for (size_t k = 0; k < out.size(); ++k)
      each(output_name({std::shared_ptr<const Node>(std::shared_ptr<void>(), &n), int(k)}),
           call.op->name, out[k]);
  };
  return graph_->replay_.run(inputs, inputs.empty() ? Device{} : inputs[0]->device(), show);
}

const Symbol& CachedOp::symbol() const { return graph_->symbol_; }
size_t CachedOp::plans() const { return 0; }

}  // namespace heddle
