// A bound graph in words: what runs where, with which kernel, in whose memory.
#include "executor/bound.h"

namespace heddle {

namespace describe {

std::string mega(int64_t bytes) { return format("{} MB", double(bytes / 10486) / 100); }

void value(std::string& to, const Plan& p, int v) {
  append(to, p.types[v].shape);
  append(to, " ");
  append(to, p.types[v].dtype);
  if (!p.types[v].layout.plain()) append(to, " "), append(to, p.types[v].layout);
  if (p.home[v].kind == Home::kPrepared) append(to, p.passing[v] ? " passing" : " kept");
  else if (p.outside(v)) append(to, " own array");
  else if (p.offset[v] == MemoryPlan::kUnused || !p.wanted[v]) append(to, " unused");
  else if (p.shares[v] >= 0) append(to, format(" at {}, in place", p.offset[v]));
  else append(to, format(" at {}", p.offset[v]));
}

std::string program(const Program& program, const char* title) {
  const Steps& steps = program.steps();
  const Plan& p = steps.plan();
  std::string text = format("{}: {} steps\n", title, steps.size());
  for (size_t n = 0; n < p.graph.nodes.size(); ++n) {
    const Graph::Node& node = p.graph.nodes[n];
    if (!node.call) {
      text += "  Variable:" + node.name + "  ";
      value(text, p, node.first_output);
      text += "\n";
      continue;
    }
    const Step& s = steps[steps.of_node(int(n))];
    text += format("  Op:{}, Name={}, {} on {}\n", node.call->op->name, node.name,
                   s.kernel ? s.kernel->library : "copy", p.where[n]);
    for (int v : node.inputs) {
      const Graph::Node& from = p.graph.nodes[p.producer[v]];
      text += format("    arg: {}({})\n", from.name, v - from.first_output);
    }
    for (int k = 0; k < node.outputs(); ++k) {
      text += "    out: ";
      value(text, p, node.first_output + k);
      text += "\n";
    }
  }
  for (const auto& [device, bytes] : p.arenas)
    text += format("  arena on {}: {} bytes\n", device, bytes);
  if (const int64_t kept = program.places().prepared_bytes())
    text += format("  kept in another order: {} bytes\n", kept);
  return text;
}

}  // namespace describe

std::string Executor::describe() const {
  std::string text = "Symbol Outputs:\n";
  int i = 0;
  for (const std::string& name : graph_->network.symbol.outputs())
    text += format("  output[{}]={}\n", i++, name);
  if (const Program* p = graph_->made(false)) text += describe::program(*p, "Inference");
  if (const Program* p = graph_->made(true)) text += describe::program(*p, "Training");
  text += format("Total {} allocated\n", describe::mega(memory().allocated_arena));
  return text;
}

}  // namespace heddle
