// invoke(): the one door through which Python calls operators on arrays, and the number slots of
// NDArray, which come in by the same way. Parameters are parsed once per distinct set of keywords.
#include "invoke.h"

#include <cmath>

#include "executor/precision.h"
#include "operator/variadic.h"

namespace heddle::python {

struct PyHandle {
  PyObject_HEAD Handle* handle;  // lives as long as the process
};
PyTypeObject* handle_type = nullptr;

// Equal and of one type: 1, 1.0 and True are three different texts.
bool same(PyObject* a, PyObject* b) {
  if (a == b) return true;
  if (Py_TYPE(a) != Py_TYPE(b)) return false;
  if (PyFloat_CheckExact(a)) {  // 0.0 and -0.0 are two texts
    const double x = PyFloat_AS_DOUBLE(a), y = PyFloat_AS_DOUBLE(b);
    return x == y && std::signbit(x) == std::signbit(y);
  }
  if (PyTuple_CheckExact(a)) {
    const Py_ssize_t n = PyTuple_GET_SIZE(a);
    if (n != PyTuple_GET_SIZE(b)) return false;
    for (Py_ssize_t i = 0; i < n; ++i)
      if (!same(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i))) return false;
    return true;
  }
  if (!PyLong_CheckExact(a) && !PyUnicode_CheckExact(a))
    return false;  // may change: not remembered
  return PyObject_RichCompareBool(a, b, Py_EQ) == 1;
}

bool matches(const Handle::Known& k, Keywords keywords, int variadic) {
  if (k.variadic != variadic || k.items.size() != keywords.size()) return false;
  for (size_t i = 0; i < keywords.size(); ++i)
    if (!same(k.items[i].first, keywords[i].first) || !same(k.items[i].second, keywords[i].second))
      return false;
  return true;
}

OpCallRef new_call(const Handle& h, Keywords keywords, int variadic) {
  Kwargs texts;
  for (const auto& [key, value] : keywords) texts[text_of(key)] = text_of(value);
  if (variadic >= 0) count_inputs(*h.op, texts, size_t(variadic));
  return make_call(*h.op, std::move(texts));
}

OpCallRef call_of(Handle& h, Keywords keywords, int inputs) {
  const int variadic = h.op->variadic.empty() ? -1 : inputs;
  if (h.op->stateful) return new_call(h, keywords, variadic);
  if (keywords.empty() && variadic < 0) {
    if (!h.plain) h.plain = make_call(*h.op, {});
    return h.plain;
  }
  for (auto& k : h.known)
    if (matches(*k, keywords, variadic)) return k->call;
  auto k = std::make_unique<Handle::Known>();
  k->call = new_call(h, keywords, variadic);
  k->variadic = variadic;
  for (const auto& [key, value] : keywords) k->items.emplace_back(Py_NewRef(key), Py_NewRef(value));
  if (h.known.size() == Handle::kMost) h.known.pop_back();
  h.known.push_front(std::move(k));
  return h.known.front()->call;
}

// Beyond this many elements a call may run on this thread long enough to let others have the lock.
constexpr int64_t kSmall = 16384;

void invoke_as_asked(const OpCallRef& call, std::span<const NDArray* const> inputs,
                     std::vector<NDArray>& out) {
  if (const PrecisionPolicy* policy = eager_precision()) [[unlikely]]
    invoke_mixed(*policy, call, inputs, out);
  else invoke(call, inputs, out);
}

// The call is kept here: the cache may drop it while the lock is gone.
PyObject* run(OpCallRef call, std::span<const NDArray* const> inputs, std::vector<NDArray>& out,
              PyObject* given) {
  int64_t work = call->op->dynamic_shape || inputs.empty() ? kSmall + 1 : 0;
  for (const NDArray* a : inputs) work += a->size();
  if (work > kSmall) {
    Unlocked u;
    invoke_as_asked(call, inputs, out);
  } else {
    Asked here;
    invoke_as_asked(call, inputs, out);
  }
  if (given && given != Py_None) return Py_NewRef(given);
  if (out.size() == 1) return wrap(std::move(out[0]));
  PyObject* list = PyList_New(Py_ssize_t(out.size()));
  for (size_t i = 0; list && i < out.size(); ++i)
    PyList_SET_ITEM(list, Py_ssize_t(i), wrap(std::move(out[i])));
  return list;
}

Handle& handle_of(PyObject* o) {
  if (Py_TYPE(o) == handle_type) return *reinterpret_cast<PyHandle*>(o)->handle;
  static auto* by_name = new std::map<std::string, Handle*, std::less<>>;
  const std::string name = text_of(o);
  auto it = by_name->find(name);
  if (it == by_name->end()) it = by_name->emplace(name, new Handle(OpTable::get().at(name))).first;
  return *it->second;
}

void take_outputs(PyObject* given, std::vector<NDArray>& out) {
  if (given == Py_None) return;
  if (is_array(given)) {
    out.push_back(need_array(given, "out"));
    return;
  }
  check(PyTuple_Check(given) || PyList_Check(given),
        "out is a {}, expected an NDArray or a list of them", Py_TYPE(given)->tp_name);
  for (py::handle o : py::reinterpret_borrow<py::sequence>(given))
    out.push_back(need_array(o.ptr(), "an item of out"));
}

// Arrays written through `out` change tape marks with the call: Python's objects must see them.
void give_back(PyObject* given, std::vector<NDArray>& out) {
  if (given == Py_None) return;
  if (is_array(given)) {
    array_of(given).tape = out[0].tape;
    return;
  }
  size_t i = 0;
  for (py::handle o : py::reinterpret_borrow<py::sequence>(given)) {
    if (i < out.size()) array_of(o.ptr()).tape = out[i].tape;
    ++i;
  }
}

PyObject* invoke_handle(Handle& h, std::span<PyObject* const> items, Keywords keywords,
                        PyObject* given) {
  const NDArray* few[8];
  std::vector<const NDArray*> many;
  const NDArray** inputs = few;
  if (items.size() > 8) many.resize(items.size()), inputs = many.data();
  for (size_t i = 0; i < items.size(); ++i) {
    if (!is_array(items[i])) [[unlikely]]
      throw Error(format("[{}] input {} is a {}, expected an NDArray", h.op->name, i,
                         Py_TYPE(items[i])->tp_name));
    inputs[i] = &array_of(items[i]);
  }
  OpCallRef call = call_of(h, keywords, int(items.size()));
  std::vector<NDArray> out;
  take_outputs(given, out);
  PyObject* result = run(std::move(call), {inputs, items.size()}, out, given);
  give_back(given, out);
  return result;
}

// invoke(op, inputs, kwargs=None, out=None)
PyObject* invoke_python(PyObject*, PyObject* const* args, Py_ssize_t n) {
  if (n < 2 || n > 4)
    return PyErr_SetString(PyExc_TypeError, "invoke(op, inputs, kwargs, out)"), nullptr;
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    Handle& h = handle_of(args[0]);
    check(PyTuple_Check(args[1]) || PyList_Check(args[1]),
          "[{}] inputs are a {}, expected a tuple or list", h.op->name, Py_TYPE(args[1])->tp_name);
    Keyword few[16];
    std::vector<Keyword> many;
    Keywords keywords;
    if (n > 2 && args[2] != Py_None) {
      const size_t count = size_t(PyDict_GET_SIZE(args[2]));
      if (count > 16) many.resize(count);
      Keyword* const all = count > 16 ? many.data() : few;
      Keyword* next = all;
      for (Py_ssize_t at = 0; PyDict_Next(args[2], &at, &next->first, &next->second);) ++next;
      keywords = {all, count};
    }
    const size_t count = size_t(PySequence_Fast_GET_SIZE(args[1]));
    return invoke_handle(h, {PySequence_Fast_ITEMS(args[1]), count}, keywords,
                         n > 3 ? args[3] : Py_None);
  });
}

// --- number slots -------------------------------------------------------------------------------
// The expressions of Python's slots, in the order of BinarySlot, then of Py_LT ... Py_GE. What
// serves them for two arrays, array and number, number and array, the records say.
constexpr const char* kExpressions[] = {"+", "-",  "*",  "/",  "%", "**",
                                        "<", "<=", "==", "!=", ">", ">="};
constexpr int kCompare = 6;  // where the comparisons begin

// The call of a named operator, with its scalar when it has one; the last ones are remembered.
struct Remembered {
  explicit Remembered(const OpDef& def) : op(&def) {}
  const OpDef* op;
  OpCallRef plain;
  struct {
    double scalar = 0;
    OpCallRef call;
  } recent[8];
  int next = 0;
  const OpCallRef& call() {
    if (!plain) plain = make_call(*op, {});
    return plain;
  }
  const OpCallRef& call(double scalar) {
    for (auto& r : recent)
      if (r.call && r.scalar == scalar && std::signbit(r.scalar) == std::signbit(scalar))
        return r.call;
    auto& r = recent[next = (next + 1) % 8];
    r.call = make_call(*op, {{"scalar", param::print(scalar)}});
    r.scalar = scalar;
    return r.call;
  }
};

struct Trio {
  explicit Trio(const char* symbol)
      : arrays(serving(symbol, Notation::kTensors)),
        scalar(serving(symbol, Notation::kTensorNumber)),
        reflected(serving(symbol, Notation::kNumberTensor)) {}
  static const OpDef& serving(const char* symbol, Notation::Form form) {
    const OpDef* op = OpTable::get().serving(symbol, form);
    check(op, "no operator serves '{}'", symbol);
    return *op;
  }
  Remembered arrays, scalar, reflected;
};
Trio& trio(int which) {
  static Trio* made[std::size(kExpressions)] = {};
  if (!made[which]) made[which] = new Trio(kExpressions[which]);
  return *made[which];
}

// The number a Python object stands for, or false when it is none.
bool number_of(PyObject* o, double& v) {
  if (PyFloat_Check(o)) return v = PyFloat_AS_DOUBLE(o), true;
  if (PyLong_Check(o)) {
    v = PyLong_AsDouble(o);
    if (v == -1 && PyErr_Occurred()) throw py::error_already_set();
    return true;
  }
  // NumPy's scalars; not its arrays, which have a length.
  if (!PyNumber_Check(o) || PySequence_Check(o) || is_array(o)) return false;
  v = PyFloat_AsDouble(o);
  if (v == -1 && PyErr_Occurred()) throw py::error_already_set();
  return true;
}

// Python's operand(value, array): an array of NumPy as an NDArray, NotImplemented for other values.
PyObject* make_operand = nullptr;

PyObject* apply(Trio& t, PyObject* a, PyObject* b, bool in_place);

// With the operand that is no array and no number made into one, or NotImplemented.
PyObject* apply_converted(Trio& t, PyObject* a, PyObject* b, bool in_place) {
  PyObject* const array = is_array(a) ? a : b;
  if (!make_operand) Py_RETURN_NOTIMPLEMENTED;
  auto made = py::reinterpret_steal<py::object>(
      PyObject_CallFunctionObjArgs(make_operand, array == a ? b : a, array, nullptr));
  if (!made || !is_array(made.ptr())) return made.release().ptr();
  return array == a ? apply(t, a, made.ptr(), in_place) : apply(t, made.ptr(), b, in_place);
}

PyObject* apply(Trio& t, PyObject* a, PyObject* b, bool in_place) {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    const bool left = is_array(a), right = is_array(b);
    double scalar;
    std::vector<NDArray> out;
    PyObject* given = nullptr;
    auto done = [&](PyObject* result) {
      if (result && given) give_back(given, out);
      return result;
    };
    if (in_place) {
      autograd::check_inplace(need_array(a, "the left operand"));
      out.push_back(array_of(a));
      given = a;
    }
    if (left && right) {
      const NDArray* in[] = {&need_array(a, "the left operand"),
                             &need_array(b, "the right operand")};
      return done(run(t.arrays.call(), in, out, given));
    }
    if (!number_of(left ? b : a, scalar)) return apply_converted(t, a, b, in_place);
    const NDArray* in[] = {&need_array(left ? a : b, "the operand")};
    return done(run((left ? t.scalar : t.reflected).call(scalar), in, out, given));
  });
}

PyObject* binary(int which, PyObject* a, PyObject* b, bool in_place) {
  return guarded<PyObject*>(nullptr, [&] { return apply(trio(which), a, b, in_place); });
}

PyObject* compare(PyObject* a, PyObject* b, int python_op) {
  if (b == Py_None && (python_op == Py_EQ || python_op == Py_NE))
    return PyBool_FromLong(python_op == Py_NE);
  return guarded<PyObject*>(nullptr,
                            [&] { return apply(trio(kCompare + python_op), a, b, false); });
}

PyObject* unary(int which, PyObject* a) {
  return guarded<PyObject*>(nullptr, [&] {
    static Remembered* negative = new Remembered(OpTable::get().at("negative"));
    static Remembered* absolute = new Remembered(OpTable::get().at("abs"));
    const NDArray* in[] = {&need_array(a, "the operand")};
    std::vector<NDArray> out;
    return run((which == kNegative ? negative : absolute)->call(), in, out, nullptr);
  });
}

PyObject* handle_repr(PyObject* o) {
  return PyUnicode_FromFormat("<operator %s>",
                              reinterpret_cast<PyHandle*>(o)->handle->op->name.c_str());
}

void define_invoke(py::module_& m) {
  PyType_Slot slots[] = {{Py_tp_repr, reinterpret_cast<void*>(handle_repr)}, {0, nullptr}};
  PyType_Spec spec = {"heddle._core.Operator", int(sizeof(PyHandle)), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  handle_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!handle_type) throw py::error_already_set();
  m.attr("Operator") = py::handle(reinterpret_cast<PyObject*>(handle_type));
  m.def("set_operand_maker", [](py::object f) { make_operand = f.release().ptr(); });
  m.def("op_handle", [](const std::string& name) {
    PyObject* o = handle_type->tp_alloc(handle_type, 0);
    if (!o) throw py::error_already_set();
    auto result = py::reinterpret_steal<py::object>(o);
    reinterpret_cast<PyHandle*>(o)->handle = new Handle(OpTable::get().at(name));
    return result;
  });
  static PyMethodDef method = {
      "invoke", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(invoke_python)),
      METH_FASTCALL, "invoke(op, inputs, kwargs=None, out=None): apply an operator."};
  define_function(m);
  m.attr("invoke") =
      py::reinterpret_steal<py::object>(PyCFunction_NewEx(&method, nullptr, nullptr));
}

}  // namespace heddle::python
