// Operators that are written in Python: the C++ side of heddle.operator and autograd.Function.
#include "heddle/custom.h"

#include <pybind11/stl.h>

#include <optional>
#include <utility>

#include "common.h"

namespace heddle::python {

// What Python raised, with its traceback, as our error.
[[noreturn]] void fail_as(const char* what, py::error_already_set& e) {
  std::string text;
  try {
    const py::object lines =
        py::module_::import("traceback").attr("format_exception")(e.type(), e.value(), e.trace());
    text = py::str("").attr("join")(lines).cast<std::string>();
  } catch (py::error_already_set&) {
    text = e.what();
  }
  fail("Error in {}: {}", what, text);
}

// body() with the interpreter's lock, its exceptions turned into ours.
template <class Body>
auto in_python(const char* what, Body&& body) -> decltype(body()) {
  Locked lock;
  try {
    return body();
  } catch (py::error_already_set& e) {
    fail_as(what, e);
  }
}

// Tensors of a kernel as arrays, for the time of a call. Python may keep them: then they end up
// with memory of their own.
class Lent {
 public:
  explicit Lent(const std::vector<Blob>& blobs, bool written) {
    for (const Blob& b : blobs) {
      NDArray a;
      if (b.data || b.size() == 0) a = NDArray::wrap(b.data, b.shape, b.dtype, b.device, nullptr);
      else if (written) a = NDArray(b.shape, b.device, b.dtype);  // nobody wants it
      wanted_.push_back(b.data != nullptr);
      list_.append(py::reinterpret_steal<py::object>(wrap(a)));
      arrays_.push_back(std::move(a));
    }
  }
  py::list take() { return std::move(list_); }
  py::list requests() const {
    py::list all;
    for (const bool w : wanted_) all.append(py::str(w ? "write" : "null"));
    return all;
  }
  // Without the lock.
  void take_back() {
    for (NDArray& a : arrays_) {
      if (!a) continue;
      a.wait_to_write();
      a.leave_borrowed_memory();
    }
  }

 private:
  std::vector<NDArray> arrays_;
  std::vector<bool> wanted_;
  py::list list_;
};

// What the callback computes is not recorded; it runs in the mode of the call.
class Flags {
 public:
  explicit Flags(bool training)
      : recording_(autograd::set_recording(false)), training_(autograd::set_training(training)) {}
  ~Flags() {
    autograd::set_recording(recording_);
    autograd::set_training(training_);
  }
  Flags(const Flags&) = delete;

 private:
  const bool recording_, training_;
};

class PythonOp : public CustomOp {
 public:
  // `host` has the methods of heddle.operator._Host.
  explicit PythonOp(py::object host) : host_(std::move(host)) {
    std::tie(arguments_, states_, outputs_) =
        host_.attr("names")()
            .cast<std::tuple<std::vector<std::string>, std::vector<std::string>,
                             std::vector<std::string>>>();
    for (const auto& [kind, index] : host_.attr("reads")().cast<std::vector<std::pair<int, int>>>())
      reads_.push_back({Ref::Kind(kind), index});
  }
  ~PythonOp() override {
    Locked lock;
    host_ = {};
  }

  std::vector<std::string> arguments() const override { return arguments_; }
  std::vector<std::string> states() const override { return states_; }
  std::vector<std::string> outputs() const override { return outputs_; }
  std::vector<Ref> reads() const override { return reads_; }

  void infer_shape(InferContext& c) override {
    std::vector<Shape> in;
    bool all = true;
    for (size_t i = 0; i < arguments_.size(); ++i) {
      in.push_back(c.in(int(i)));
      all = all && in.back().known();
    }
    if (!shapes_ || shapes_->first != in) {
      std::vector<Shape> found;
      if (!ask_shapes(in, all, found)) return;
      shapes_ = {in, std::move(found)};
    }
    for (int i = 0; i < c.inputs() + c.outputs(); ++i) {
      const Shape& s = shapes_->second[size_t(i)];
      if (s.has_rank()) i < c.inputs() ? c.set_in(i, s) : c.set_out(i - c.inputs(), s);
    }
  }

  void infer_dtype(InferContext& c) override {
    std::vector<Dtype> in;
    bool all = true, any = false;
    for (size_t i = 0; i < arguments_.size(); ++i) {
      in.push_back(c.in_dtype(int(i)));
      (in.back() == Dtype::kUnknown ? all : any) = in.back() != Dtype::kUnknown;
    }
    if (!any && !in.empty()) return;
    if (!dtypes_ || dtypes_->first != in) {
      std::vector<Dtype> found;
      if (!ask_dtypes(in, all, found)) return;
      dtypes_ = {in, std::move(found)};
    }
    for (int i = 0; i < c.inputs() + c.outputs(); ++i) {
      const Dtype d = dtypes_->second[size_t(i)];
      if (d == Dtype::kUnknown) continue;
      i < c.inputs() ? c.set_in_dtype(i, d) : c.set_out_dtype(i - c.inputs(), d);
    }
  }

  void forward(const Tensors& t, bool training) override {
    call("forward", training, {&t.in_data}, t.out_data, t.states);
  }
  void backward(const Tensors& t, bool training) override {
    call("backward", training, {&t.out_grad, &t.in_data, &t.out_data}, t.in_grad, t.states);
  }

 private:
  // Calls a method with (training, requests, *read, written, states).
  void call(const char* method, bool training, std::vector<const std::vector<Blob>*> read,
            const std::vector<Blob>& out, const std::vector<Blob>& states) {
    std::vector<std::optional<Lent>> lent;
    const std::string what = "a custom operator's " + std::string(method);
    const auto give_back = [&] {
      Unlocked unlocked;
      for (auto& l : lent) l->take_back();
    };
    in_python(what.c_str(), [&] {
      const Flags flags(training);
      for (const auto* blobs : read) lent.emplace_back(std::in_place, *blobs, false);
      lent.emplace_back(std::in_place, out, true);
      lent.emplace_back(std::in_place, states, false);
      py::list arguments;
      arguments.append(training);
      arguments.append(lent[read.size()]->requests());
      for (auto& l : lent) arguments.append(l->take());
      py::object all = py::tuple(std::move(arguments));
      try {
        host_.attr(method)(*py::reinterpret_borrow<py::tuple>(all));
      } catch (py::error_already_set&) {
        all = py::none();
        give_back();
        throw;
      }
      all = py::none();
      give_back();
      lent.clear();
    });
  }

  bool ask_shapes(const std::vector<Shape>& in, bool all, std::vector<Shape>& found) const {
    return in_python("a custom operator's infer_shape", [&] {
      py::list shapes;
      bool empty = false;
      for (const Shape& s : in) {
        py::list dims;
        for (int64_t d : s) dims.append(d < 0 ? 0 : d), empty = empty || d == 0;
        shapes.append(dims);
      }
      return ask("infer_shape", shapes, all, [&](py::handle s) {
        const py::sequence dims = py::reinterpret_borrow<py::sequence>(s);
        Shape shape;
        for (size_t k = 0; k < dims.size(); ++k) {
          const auto d = dims[k].cast<int64_t>();
          shape.append(d == 0 && !empty ? -1 : d);
        }
        found.push_back(shape);
      });
    });
  }

  bool ask_dtypes(const std::vector<Dtype>& in, bool all, std::vector<Dtype>& found) const {
    return in_python("a custom operator's infer_type", [&] {
      py::list names;
      for (const Dtype d : in)
        names.append(d == Dtype::kUnknown ? py::object(py::none())
                                          : py::object(py::str(std::string(dtype_name(d)))));
      return ask("infer_type", names, all, [&](py::handle d) {
        found.push_back(d.is_none() ? Dtype::kUnknown : dtype_from_name(d.cast<std::string>()));
      });
    });
  }

  // Hands each item of the answer to take(). What raises while inputs are unknown is asked again
  // when more is known: false.
  template <class Take>
  bool ask(const char* method, const py::list& in, bool all, Take&& take) const {
    py::object answer;
    try {
      answer = host_.attr(method)(in);
    } catch (py::error_already_set&) {
      if (all) throw;
      return false;
    }
    for (py::handle item : answer) take(item);
    return true;
  }

  py::object host_;
  std::vector<std::string> arguments_, states_, outputs_;
  std::vector<Ref> reads_;
  std::optional<std::pair<std::vector<Shape>, std::vector<Shape>>> shapes_;  // asked, answered
  std::optional<std::pair<std::vector<Dtype>, std::vector<Dtype>>> dtypes_;
};

PyObject* host_factory = nullptr;  // kwargs -> host

std::shared_ptr<CustomOp> make_python_op(const Kwargs& kwargs) {
  return in_python("making a custom operator", [&]() -> std::shared_ptr<CustomOp> {
    py::dict texts;
    for (const auto& [key, value] : kwargs) texts[key.c_str()] = value;
    return std::make_shared<PythonOp>(py::handle(host_factory)(texts));
  });
}

// New handles on the outputs, on the tape while recording.
py::list record_function(const py::object& host, const py::list& inputs, const py::list& outputs) {
  std::vector<const NDArray*> in;
  std::vector<NDArray> out;
  for (py::handle a : inputs) in.push_back(&need_array(a.ptr(), "an input"));
  for (py::handle a : outputs) out.push_back(need_array(a.ptr(), "an output"));
  autograd::record_call(make_custom_call(std::make_shared<PythonOp>(host)), in, out);
  py::list made;
  for (NDArray& a : out) made.append(py::reinterpret_steal<py::object>(wrap(std::move(a))));
  return made;
}

void define_custom(py::module_& m) {
  m.def("set_custom_factory", [](const py::object& factory) {
    host_factory = py::object(factory).release().ptr();
    set_custom_factory(make_python_op);
  });
  m.def("record_function", record_function);
}

}  // namespace heddle::python
