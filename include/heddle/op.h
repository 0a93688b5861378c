// What an operator is. One OpDef record serves eager calls, graphs, gradients, docs and bindings.
#pragma once
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "heddle/base.h"
#include "heddle/device.h"
#include "heddle/function_ref.h"
#include "heddle/parallel.h"
#include "heddle/param.h"

namespace heddle {

struct OpDef;

enum class Role : uint8_t {
  kRead,
  kMutate,  // changed in place; the caller must give it (optimizer states)
  kAux,     // changed in place; created for the caller when missing (moving averages)
};

// Something in a record that exists only where a parameter has a value.
struct HEDDLE_API Condition {
  Name param = {};  // empty: always
  Name value = {};  // as printed: "True", "prelu"
};
// when("no_bias", false), when("act_type", "prelu"), when("num_args", 2)
constexpr Condition when(Name field, Name value) { return {field, value}; }
template <class T>
requires std::is_integral_v<T>  // a literal, as a pointer, would be a bool
    Condition when(Name field, T value) {
  if constexpr (std::is_same_v<T, bool>) return {field, value ? Name("True") : Name("False")};
  else return {field, param::print(value)};
}

// A record lists all there can be. What differs by a parameter in more than being there is listed
// twice under one name, with conditions of which one holds.
struct HEDDLE_API Input {
  Name name;
  Doc doc = "";
  Role role = Role::kRead;
  Name init = {};            // initialiser for a created variable: "zero", "one"
  bool same_value = false;   // kMutate: every run writes the same value, so a tape need not object
  bool by_gradient = false;  // kAux: only the gradient changes it, so a run may be repeated
  bool shape_only = false;   // the kernel reads its type, never its elements: it needs no memory
  Condition when = {};
};
struct HEDDLE_API Output {
  Name name = "output";
  bool hidden = false;  // kept for the gradient, not shown to users
  Condition when = {};
};

// A tensor that a gradient reads.
struct HEDDLE_API Ref {
  enum Kind : uint8_t { kDy, kX, kY } kind;
  int index;
  bool shape_only = false;  // its type, never its elements: nothing is kept for it
};
constexpr Ref dy(int i = 0) { return {Ref::kDy, i}; }  // gradient of output i
constexpr Ref x(int i = 0) { return {Ref::kX, i}; }    // input i
constexpr Ref y(int i = 0) { return {Ref::kY, i}; }    // output i
constexpr Ref shape_of(Ref r) { return {r.kind, r.index, true}; }

// --- functions with the parameters erased -----------------------------------------------------
// Built from a plain function f(const P&, rest...) or f(rest...); P is deduced.
template <class R, class... Rest>
class Erased {
 public:
  Erased() = default;
  Erased(std::nullptr_t) {}
  template <class P>
  Erased(R (*f)(const P&, Rest...))
      : f_(reinterpret_cast<void (*)()>(f)), call_([](void (*g)(), const void* p, Rest... r) -> R {
          return reinterpret_cast<R (*)(const P&, Rest...)>(g)(*static_cast<const P*>(p),
                                                               std::forward<Rest>(r)...);
        }) {}
  Erased(R (*f)(Rest...))
      : f_(reinterpret_cast<void (*)()>(f)), call_([](void (*g)(), const void*, Rest... r) -> R {
          return reinterpret_cast<R (*)(Rest...)>(g)(std::forward<Rest>(r)...);
        }) {}
  R operator()(const void* p, Rest... r) const { return call_(f_, p, std::forward<Rest>(r)...); }
  explicit operator bool() const { return f_ != nullptr; }
  bool operator==(const Erased& o) const { return f_ == o.f_; }

 private:
  void (*f_)() = nullptr;
  R (*call_)(void (*)(), const void*, Rest...) = nullptr;
};

// Whether records keep what gradients need. A program that only predicts is compiled without:
// nothing refers to the kernels of gradients then, nor to the passes that ask for them, so nothing
// of them is in it.
#ifdef HEDDLE_NO_GRADIENTS
inline constexpr bool kGradients = false;
#else
inline constexpr bool kGradients = true;
#endif

// A part of a record that only gradients need: taken like a T, kept only with gradients.
template <class T>
struct Unlearned {
  constexpr Unlearned() = default;
  template <class... Given>
  constexpr Unlearned(const Given&...) {}
  template <class Item = T>
  constexpr Unlearned(std::initializer_list<typename Item::value_type>) {}
  constexpr explicit operator bool() const { return false; }
  operator T() const { return {}; }
  auto operator()(auto&&... args) const { return T()(args...); }
};
template <class T>
using Learned = std::conditional_t<kGradients, T, Unlearned<T>>;

// A list that is fixed but for its items' conditions, or, where the parameters decide how many
// there are, a function of them (f(const P&)).
template <class T>
class ListOf {
 public:
  using value_type = T;
  ListOf() = default;
  ListOf(std::initializer_list<T> fixed) : fixed_(fixed) {}
  ListOf(std::vector<T> fixed) : fixed_(std::move(fixed)) {}
  template <class P>
  ListOf(std::vector<T> (*f)(const P&)) : function_(f) {}
  // Records are made in hundreds of places: these are compiled once, in op.cc.
  HEDDLE_API ListOf(const ListOf&);
  HEDDLE_API ListOf(ListOf&&) noexcept;
  HEDDLE_API ListOf& operator=(const ListOf&);
  HEDDLE_API ListOf& operator=(ListOf&&) noexcept;
  HEDDLE_API ~ListOf();
  std::vector<T> operator()(const void* params) const {
    return function_ ? function_(params) : fixed_;
  }
  bool depends_on_params() const { return bool(function_); }
  const std::vector<T>& fixed() const { return fixed_; }

 private:
  std::vector<T> fixed_;
  Erased<std::vector<T>> function_;
};

// --- what kernels see -------------------------------------------------------------------------
// Blobs in the order of OpDef::inputs. mut(i) refuses inputs that are not kMutate or kAux.
class HEDDLE_API Inputs {
 public:
  Inputs(std::span<const Blob> blobs, std::span<const Input> declared)
      : blobs_(blobs), declared_(declared) {}
  const Blob& operator[](int i) const { return blobs_[i]; }
  const Blob& mut(int i) const {
    check(declared_[i].role != Role::kRead, "input '{}' is read-only", declared_[i].name);
    return blobs_[i];
  }
  int count() const { return int(blobs_.size()); }
  auto begin() const { return blobs_.begin(); }
  auto end() const { return blobs_.end(); }

 private:
  std::span<const Blob> blobs_;
  std::span<const Input> declared_;
};
using Outputs = std::span<Blob>;

// What a kernel may ask of its surroundings. Kernels write every wanted output in full; adding to a
// gradient (grad_req "add") is done around them.
class HEDDLE_API OpContext {
 public:
  OpContext() = default;
  OpContext(Device device, Stream* stream, bool training, std::span<const uint8_t> wanted = {},
            uint64_t seed = 0)
      : device(device), stream(stream), training(training), wanted(wanted), seed(seed) {}
  Device device;
  Stream* stream = nullptr;
  bool training = false;
  // wanted[i] == 0: nobody reads output i, and its blob may have no memory. Empty: all are wanted.
  std::span<const uint8_t> wanted = {};
  uint64_t seed = 0;  // for random operators: differs for every call, drawn when it was pushed
  bool wants(int i) const { return wanted.empty() || wanted[i]; }

  // Memory aligned to 64 bytes until the kernel returns. Only from the kernel's own thread; pieces
  // of a parallel_for take their share of one block.
  void* scratch(size_t bytes) { return thread_scratch(bytes); }
  template <class T>
  T* scratch_of(int64_t n) {
    return static_cast<T*>(scratch(size_t(n) * sizeof(T)));
  }
  // Output i, or scratch memory in its place when nobody wants it: for kernels that need to write
  // it in any case.
  Blob output(Outputs out, int i) {
    Blob b = out[size_t(i)];
    if (!wants(i)) b.data = scratch(size_t(b.bytes()));
    return b;
  }
  // body(begin, end) over [0, n) in pieces of `grain`: see device.h.
  template <class Body>
  void parallel_for(int64_t n, int64_t grain, Body&& body) const {
    if (n <= grain) {
      if (n > 0) body(int64_t(0), n);
    } else {
      heddle::parallel_for(n, grain, std::forward<Body>(body));
    }
  }
  // Gives output i its extent, when inference left it open. Returns the blob to fill.
  Blob allocate(int i, Shape shape) {
    check(bool(allocate_), "output {} has an extent that only the kernel knows", i);
    return allocate_(i, shape);
  }
  FunctionRef<Blob(int, Shape)> allocate_ = {};
};

// Shapes, dtypes and storage kinds of one call, partly known. Setting merges with what is known, or
// throws Error "[Op] weight has shape (2,3), expected (5,3)". An infer function is called again
// whenever more is known, so it does what it can and returns.
class HEDDLE_API InferContext {
 public:
  struct Value {
    Shape shape;
    Dtype dtype = Dtype::kUnknown;
    Stype stype = Stype::kUnknown;
    Layout layout = {};  // of a dense one in a plan; inference does not touch it
  };
  InferContext(const OpDef& op, std::span<const Input> inputs, std::span<const Output> outputs,
               std::span<Value> in, std::span<Value> out, bool training = false)
      : op_(op), inputs_(inputs), outputs_(outputs), in_(in), out_(out), training_(training) {}
  int inputs() const { return int(in_.size()); }
  int outputs() const { return int(out_.size()); }
  bool training() const { return training_; }
  const Shape& in(int i) const { return in_[i].shape; }
  const Shape& out(int i) const { return out_[i].shape; }
  Dtype in_dtype(int i) const { return in_[i].dtype; }
  Dtype out_dtype(int i) const { return out_[i].dtype; }
  void set_in(int i, const Shape& s) { merge(in_[i].shape, s, inputs_[i].name); }
  void set_out(int i, const Shape& s) { merge(out_[i].shape, s, outputs_[i].name); }
  void set_in_dtype(int i, Dtype d) { merge(in_[i].dtype, d, inputs_[i].name); }
  void set_out_dtype(int i, Dtype d) { merge(out_[i].dtype, d, outputs_[i].name); }
  Stype in_stype(int i) const { return in_[i].stype; }
  void set_in_stype(int i, Stype s) { merge(in_[i].stype, s, inputs_[i].name); }
  void set_out_stype(int i, Stype s) { merge(out_[i].stype, s, outputs_[i].name); }
  const OpDef& op() const { return op_; }

 private:
  void merge(Shape& have, const Shape& s, std::string_view name);
  void merge(Dtype& have, Dtype d, std::string_view name);
  void merge(Stype& have, Stype s, std::string_view name);
  const OpDef& op_;
  std::span<const Input> inputs_;
  std::span<const Output> outputs_;
  std::span<Value> in_, out_;
  bool training_;
};

using Infer = Erased<void, InferContext&>;
using Kernel = Erased<void, OpContext&, Inputs, Outputs>;

HEDDLE_API void infer_same(InferContext&);        // every input and output has the same shape
HEDDLE_API void infer_same_dtype(InferContext&);  // ... and the same dtype
HEDDLE_API void infer_dense(InferContext&);       // every value is stored dense
template <Dtype D>
void infer_out_dtype(InferContext& c) {  // inputs as they come, outputs of dtype D
  for (int i = 0; i < c.outputs(); ++i) c.set_out_dtype(i, D);
}

// What `accepts` sees when a kernel is chosen.
struct HEDDLE_API Situation {
  std::span<const Blob> in;
  std::span<const Blob> out;  // data pointers may still be null
  bool training;
  // Of inputs: lasting[i] says that it stays from run to run, so that a plan may pack it (Packing).
  std::span<const uint8_t> lasting = {};
  bool lasts(size_t i) const { return i < lasting.size() && lasting[i]; }
  std::span<const uint8_t> wanted = {};  // of the outputs, where that is known; empty: all are
  bool wants(size_t i) const { return wanted.empty() || wanted[i]; }
};
using Accepts = Erased<bool, const Situation&>;

// Every kernel takes dense tensors in C order. One that would rather be given others is asked how:
// `s.in` says how the inputs lie where the graph stands; `in` and `out` are plain on entry and are
// set to how the kernel wants them. A bound graph reorders values to fit, and the kernel finds out
// from `stored` of its blobs which of the two it was given.
struct HEDDLE_API StoredAs {
  std::span<Stored> in, out;
};
using Wants = Erased<void, const Situation&, StoredAs&>;
// Scratch memory that a kernel takes at most: by itself, and beside that in each piece of its
// loops, of which a thread runs one at a time. Known from the types, so that plans count it.
struct HEDDLE_API ScratchNeed {
  int64_t call = 0, piece = 0;        // bytes
  int64_t pieces = int64_t{1} << 30;  // that there are at most
  // What scratch memory for so many bytes takes.
  static constexpr int64_t taken(int64_t bytes) {
    return std::max<int64_t>(64, (bytes + 63) / 64 * 64);
  }
  void take(int64_t bytes) { call += taken(bytes); }
};
using ScratchOf = Erased<ScratchNeed, const Situation&>;
// Of a call that moves nothing: where its outputs lie in its first input, or its inputs in its
// first output, in bytes, all as they are stored. Plans let such values share memory, and the call
// does not run.
struct HEDDLE_API Views {
  enum Of : uint8_t { kNothing, kInput, kOutput } of = kNothing;
  std::vector<int64_t> at = {};
};
using ViewsOf = Erased<Views, const Situation&>;
// The arithmetic of one call, a multiplication with its addition counted as two.
using Flops = Erased<double, const Situation&>;
// For kernels that treat every element alike, whatever its place: all as the first input that is
// not plain and has the shape of the outputs, if all that are read for their elements have it.
HEDDLE_API void wants_same(const Situation& s, StoredAs& as);

// --- operators made of operators ----------------------------------------------------------------
// Hands an operator's parameters and inputs to a function that says it in terms of others.
class HEDDLE_API Builder {
 public:
  struct Value {  // a tensor, or none (id < 0: zero, no gradient)
    int id = -1;
  };
  virtual ~Builder() = default;
  virtual Value x(int i = 0) = 0;
  virtual std::vector<Value> call_all(std::string_view op, std::vector<Value> inputs,
                                      Kwargs kwargs = {}) = 0;
  Value call(std::string_view op, std::vector<Value> inputs, Kwargs kwargs = {}) {
    return call_all(op, std::move(inputs), std::move(kwargs)).at(0);
  }
  virtual const void* params() const = 0;  // of the operator that is built
  virtual const Kwargs& kwargs() const = 0;
  virtual int inputs() const = 0;
};
// The forward of an operator that needs no kernel: one value per output. It sees the parameters and
// how many inputs there are, so what it builds is part of the call.
using Compose = std::vector<Builder::Value> (*)(Builder&);

// What becomes of the gradient of a variable. kInplace, of MXNet, is kWrite: plans share memory by
// themselves.
enum class GradReq : uint8_t { kNone = 0, kWrite = 1, kInplace = 2, kAdd = 3 };

// Builds the gradient of an operator.
class HEDDLE_API GradContext : public Builder {
 public:
  virtual Value dy(int i = 0) = 0;
  virtual Value y(int i = 0) = 0;
};

// How outputs depend on inputs, where that alone gives the gradient of the gradient.
enum class Linear : uint8_t {
  kNo,
  kYes,      // linear in all inputs together but those that the gradient reads, which are fixed
  kFactors,  // linear in each input that the gradient reads, and they multiply each other; others
             // are added
};

// f(GradContext&) or f(const P&, GradContext&), with the parameters of the operator.
using Build = Erased<std::vector<Builder::Value>, GradContext&>;

struct HEDDLE_API Backward {
  // All it reads, hence all that stays in memory for it. Inputs of the kernel arrive in this order.
  Learned<ListOf<Ref>> reads = {};
  // Becomes the operator "_backward_<name>": writes one gradient per input that is not kAux, in
  // order (skip those the context does not want). Inputs that are kAux may be changed.
  Learned<Kernel> run = {};
  Learned<Wants> wants = {};        // of `run`; where it is missing, the operator's own
  Learned<ScratchOf> scratch = {};  // of `run`
  Learned<ViewsOf> views = {};
  // Or: composed of other operators; returns one value per input that is not kAux. Such gradients
  // can be differentiated again. Both may be given: `build` serves create_graph, `run` the rest,
  // and calls for which `build` returns nothing at all.
  Learned<Build> build = {};
  // (position in reads, gradient) that may share memory
  Learned<ListOf<std::pair<int, int>>> inplace = {};
  bool ignores_head = false;  // a loss: needs no gradient of its output
  bool zero = false;          // the gradient is zero (rounding, comparison): nothing flows back
  Linear linear = Linear::kNo;
  Kwargs linear_part = {};  // parameters that make it linear: {{"constant_value", "0"}}
  explicit operator bool() const { return run || build || zero; }
};

// Whether a call with these parameters takes random numbers in training, or in prediction. One that
// does not must leave the stream of numbers where it is: f(bool training), f(const P&, bool
// training).
using Draws = Erased<bool, bool>;
HEDDLE_API bool draws_always(bool training);

// --- the record --------------------------------------------------------------------------------
// What the tensors of an operator may hold, indices and the like aside. For those who ask; kernels
// refuse the rest themselves.
enum class Dtypes : uint8_t { kAny, kNumbers, kFloating };  // kNumbers: all but bool

// In which type an operator is best given floating inputs where programs mix a narrow one (float16,
// bfloat16) with float32.
enum class Precision : uint8_t {
  kAny,     // as they come
  kNarrow,  // products with weights: narrow ones are faster, and their sums are kept in float32
  kFull,    // float32: a narrow type would overflow, or lose what matters
  kWidest,  // the widest among them, which they must have in common
};

// What an operator is to passes and calls, which look for it by this and never by a name.
enum class Meaning : uint8_t {
  kNone,
  kIdentity,     // y = x
  kTransfer,     // y = x, where y may be on another device
  kZeros,        // zeros of the type of x
  kOnes,         // ones of the type of x
  kAdd,          // the sum of two tensors of one shape
  kSum,          // the sum of any number of tensors of one shape
  kReorder,      // y = x, where y may be stored in another order: make_reorder()
  kFold,         // weights and biases of filters, scaled and shifted by a normalisation: see Fusing
  kPointwise,    // several pointwise calls at once: operator/elemwise/pointwise.h
  kToPrecision,  // y = x in the floating type `dtype`, where x is floating
  kToWidest,     // any number of tensors, the floating ones in the widest type among them
  kLast = kToWidest
};

// What the pass that fuses plans of prediction (symbol/fuse.cc) may do with a call.
struct HEDDLE_API Fusing {
  // Of an operator with inputs data, weight and, unless `no_bias`, bias: the operator that also
  // does what follows. It has the same parameters and inputs, then `sum` (add one more input) and
  // those that `epilogue` gives.
  Name with = {};
  // Of the same: whether axis 1 of its output is the first of the weight. f(const P&); none:
  // always.
  Erased<bool> folds = {};
  // Of what may follow: the parameters that say so. f(const P&); none: it cannot be said.
  Erased<Kwargs> epilogue = {};
  // Of a normalisation by statistics that are there, along axis 1: the parameters of the operator
  // of meaning kFold, which takes weight, bias and this one's inputs but the first. f(const P&);
  // none: it is another one.
  Erased<Kwargs> fold = {};
};

// The expression that an operator serves in programs: "+" on two tensors, on a tensor and a number
// (the parameter `scalar`), on a number and a tensor.
struct HEDDLE_API Notation {
  enum Form : uint8_t { kTensors, kEqualShapes, kTensorNumber, kNumberTensor };
  Name symbol;  // "+", "<", "maximum"
  Form form;
};

struct HEDDLE_API OpDef {
  Name name = {};                  // as in MXNet where its users know it
  std::vector<Name> aliases = {};  // other names that find it
  Doc doc = "";
  Dtypes dtypes = Dtypes::kAny;
  Precision precision = Precision::kAny;
  std::vector<Condition> full_when = {};  // the same, but kFull where one of these holds
  ParamSchema params = schema<NoParam>();
  ListOf<Input> inputs = {{"data"}};
  ListOf<Output> outputs = {{}};
  Name variadic = {};  // the parameter that counts the inputs ("num_args"); set by callers
  Infer infer = infer_same;
  Infer infer_dtype = infer_same_dtype;
  Infer infer_stype = infer_dense;
  ListOf<std::pair<int, int>> inplace = {};  // (input, output) that may share memory
  Kernel cpu = {};                           // others are added with OpTable::kernel
  Wants wants = {};           // of `cpu`, and of the gradient's unless it has its own
  ScratchOf scratch = {};     // of `cpu`
  ViewsOf views = {};         // of those calls that may be left out
  Compose compose = nullptr;  // or no kernel: made of other operators
  Flops flops = {};           // empty: one per element that is read or written
  Backward backward = {};
  Meaning meaning = Meaning::kNone;
  Fusing fusing = {};
  // Whether each element of the outputs depends on the elements in its place alone, where all
  // tensors have one shape: so parts of them may be computed by themselves. f(const P&); none:
  // where it `wants_same`. It goes for the gradient too.
  Erased<bool> pointwise = {};
  bool any_order = false;  // the kernels write outputs in whatever order a plan asks for
  std::vector<Notation> notation = {};
  Draws draws = {};            // whether the kernel reads ctx.seed; empty: never
  bool stateful = false;       // a call holds state: it serves one eager call, or one plan
  bool dynamic_shape = false;  // an output's extent is known to the kernel only: eager calls only
  Name hint = {};              // for automatic names; the lower-case name by default
  Name json_name = {};         // the name in MXNet's JSON; `name` by default

  struct Packing;
  struct Implementation {
    Device::Kind on;
    Name library;  // "portable", "onednn", "blas", "cuda" ...
    Kernel run;
    Accepts accepts;
    Wants wants = {};        // none: everything dense and in C order
    Name file = {};          // the stem of the file that added it
    ScratchOf scratch = {};  // none: no more than kSmallestScratch
    std::shared_ptr<const Packing> packing = nullptr;
  };
  // What a plan does instead where an input is a variable that stays: the operator `by`, of the
  // same parameters or those that `with` gives, brings the input into the form that `kernel` reads,
  // once for many runs. An implementation that does nothing else has no `run`, and accepts only
  // what has an input that lasts.
  struct Packing {
    int input;
    Name by;
    Implementation kernel;
    Erased<Kwargs, const Situation&> with = {};
  };
  std::vector<Implementation> kernels = {};  // filled by OpTable; tried from the back
  const OpDef* forward = nullptr;            // of "_backward_<name>": the operator it belongs to
  const OpDef* backward_op = nullptr;        // and the other way round
  Name file = {};                            // the stem in all_ops.def of the file that defines it

  Name name_hint() const { return hint; }
};

// An operator with its parameters fixed: what graphs, tapes and eager calls hold. Immutable.
struct HEDDLE_API OpCall {
  const OpDef* op;
  Kwargs kwargs;                       // as the user wrote them; what JSON stores
  std::shared_ptr<const void> params;  // kwargs, parsed
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::vector<Ref> reads;                    // of the gradient
  std::vector<std::pair<int, int>> inplace;  // (input, output)
  int visible_outputs = 1;
  bool mutates = false;  // has kMutate or kAux inputs
  // Of a composed operator: the calls that it stands for, none of which is composed. Values are
  // numbered: first the inputs, then the outputs of each part, hidden ones too.
  struct Part {
    std::shared_ptr<const OpCall> call;
    std::vector<int> inputs;
  };
  std::vector<Part> parts;
  std::vector<int> results;  // the value of each output
  std::shared_ptr<const OpCall>
      backward;  // "_backward_<name>" with the same parameters; may be null
  bool draws(bool training) const { return op->draws && op->draws(params.get(), training); }
};
using OpCallRef = std::shared_ptr<const OpCall>;

// Parses kwargs and fixes the lists; throws Error naming the operator and the parameter.
HEDDLE_API OpCallRef make_call(const OpDef& op, Kwargs kwargs);
// With parameters of the operator's own type that are there already.
HEDDLE_API OpCallRef make_call(const OpDef& op, Kwargs kwargs, std::shared_ptr<const void> params);
// A call that stores its input in another order; the extents must divide by the blocks.
HEDDLE_API OpCallRef make_reorder(const Layout& to);
// Runs shape, dtype and storage inference of one call to a fixed point.
HEDDLE_API void infer_call(const OpCall& call, std::span<InferContext::Value> in,
                           std::span<InferContext::Value> out, bool training = false);
// The kernel for these blobs, which takes them as they are stored; throws Error "[Op] has no kernel
// for ..." naming device, dtypes and what is not plain.
HEDDLE_API const OpDef::Implementation& choose_kernel(const OpCall& call, Device device,
                                                      const Situation& s);
// The same where the blobs may still be reordered: `as` is set to how it wants them.
HEDDLE_API const OpDef::Implementation& choose_kernel(const OpCall& call, Device device,
                                                      const Situation& s, StoredAs& as);
// What a call costs, as far as its types tell.
struct HEDDLE_API Cost {
  double flops = 0, bytes = 0;  // bytes: read and written
  // On a machine that does five operations while it moves a byte: for comparisons of calls.
  double seconds() const { return flops / 1e11 + bytes / 2e10; }
};
HEDDLE_API Cost cost_of(const OpCall& call, const Situation& s);
// Whether this kernel of the call is pointwise for tensors of one shape: see OpDef::pointwise.
HEDDLE_API bool is_pointwise(const OpDef::Implementation& kernel, const OpCall& call);
// What the kernel says it takes of scratch memory for these blobs.
HEDDLE_API ScratchNeed scratch_of(const OpDef::Implementation& kernel, const OpCall& call,
                                  const Situation& s);
// From now on a kernel that takes more scratch memory on the calling thread than its record says
// throws Error once it has run, naming both. For tests, with one thread, where pieces run on that.
HEDDLE_API void check_scratch(bool on);
// Runs a kernel on the calling thread inside a ScratchScope.
HEDDLE_API void run_kernel(const OpDef::Implementation& kernel, const OpCall& call, OpContext& ctx,
                           std::span<const Blob> in, Outputs out);
// The same with the kernel that is chosen for these blobs.
HEDDLE_API void run_kernel(const OpCall& call, OpContext& ctx, std::span<const Blob> in,
                           Outputs out);

// The one rule on sharing memory: output `o` may be written over the input for which lies_there(i)
// says that it lies in its place, has its bytes and is read by nobody later, if the record pairs
// the two. Where a second input is the same value, it would change while it is read; inputs that
// are read for their type only do not mind.
template <class LiesThere>
bool may_write_over(const OpCall& call, int o, LiesThere&& lies_there) {
  int there = 0;
  for (int i = 0; i < int(call.inputs.size()); ++i) {
    if (call.inputs[i].shape_only || !lies_there(i)) continue;
    bool paired = false;
    for (const auto& [input, output] : call.inplace) paired |= input == i && output == o;
    if (!paired || ++there > 1) return false;
  }
  return true;
}

// The one rule on the types of gradients: those of what they are gradients of. Calls
// dy(k, i) where input k of the gradient of `forward` is the gradient of output i, and
// dx(k, i) where its output k is the gradient of input i.
template <class Dy, class Dx>
void each_gradient(const OpCall& forward, Dy&& dy, Dx&& dx) {
  for (size_t k = 0; k < forward.reads.size(); ++k)
    if (forward.reads[k].kind == Ref::kDy) dy(int(k), forward.reads[k].index);
  for (size_t i = 0, k = 0; i < forward.inputs.size(); ++i)
    if (forward.inputs[i].role != Role::kAux) dx(int(k++), int(i));
}

// Restricts CPU kernels to those of `library` ("portable", "onednn"; "" lifts it), where an
// operator has one. For tests and measurements; not while work is running.
HEDDLE_API void prefer_kernels(std::string_view library);

// The catalogue. Filled once, by define_all_ops(), in the order of src/operator/all_ops.def; other
// shared objects add kernels before their first use.
class HEDDLE_API OpTable {
 public:
  static OpTable& get();  // filled on first use; never destroyed
  const OpDef& define(OpDef def);
  // Adds an implementation to try before those already there, where `accepts` says yes. To name the
  // gradient's kernel, say "_backward_<name>".
  void kernel(std::string_view op, Device::Kind on, Name library, Kernel run,
              Accepts accepts = nullptr, Wants wants = nullptr);
  // What the kernel of `op` added last takes of scratch memory.
  void scratch(std::string_view op, ScratchOf need);
  // Of the kernel added last: see OpDef::Packing. `scratch`: of `run`.
  void packing(std::string_view op, int input, Name by, Kernel run,
               Erased<Kwargs, const Situation&> with = {}, ScratchOf scratch = {});
  const OpDef* find(std::string_view name_or_alias) const;
  const OpDef& at(std::string_view name_or_alias) const;  // throws, suggesting near names
  const OpDef& of(Meaning meaning) const;                 // the one of that meaning
  const OpDef* serving(std::string_view symbol, Notation::Form form) const;  // null: none does
  std::vector<const OpDef*> list() const;  // in order of definition
  // Records and kernels that follow are remembered as this file's: a line of all_ops.def.
  void in_file(std::string_view stem);
  // define(table) while others may look operators up: all of it, or nothing when it throws. Returns
  // the names of the new operators.
  std::vector<std::string> extend(std::string_view file, void (*define)(OpTable&));

 private:
  struct State;
  State& state();
  std::atomic<State*> state_ = nullptr;  // extend() puts another one in its place
};

// Defined by all_ops.cc; calls every file named in all_ops.def.
HEDDLE_API void define_all_ops(OpTable& ops);

}  // namespace heddle
