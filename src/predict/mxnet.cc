// The C interface of the predictor under MXNet's names. Handles are what heddle's own calls make,
// with what MXNet's calls hand out as lists of 32-bit numbers.
#include <cstring>

#include "base/c_errors.h"
#include "base/c_structs.h"
#include "heddle/c_predict_api.h"
#include "predict/model.h"

namespace heddle::predict {

using Dims = std::vector<mx_uint>;

struct MxPredictor {
  explicit MxPredictor(Predictor p) : value(std::move(p)) {
    for (int i = 0; i < value.outputs(); ++i) {
      const Shape& s = value.output(i).shape;
      shapes.emplace_back(s.begin(), s.end());
    }
  }
  Predictor value;
  std::vector<Dims> shapes;  // of outputs
};

struct MxList {
  std::vector<NamedTensor> value;
  std::vector<Dims> shapes;
  explicit MxList(std::vector<NamedTensor> tensors) : value(std::move(tensors)) {
    for (NamedTensor& t : value) {
      t.tensor = as_float32(t.tensor);
      shapes.emplace_back(t.tensor.blob.shape.begin(), t.tensor.blob.shape.end());
    }
  }
};

MxPredictor& predictor_of(PredictorHandle handle) {
  return c_face::need(static_cast<MxPredictor*>(handle), "the predictor");
}

InputTypes inputs_of(mx_uint count, const char** keys, const mx_uint* ends, const mx_uint* dims) {
  InputTypes all;
  if (count == 0) return all;
  c_face::need(keys, "input_keys");
  c_face::need(ends, "input_shape_indptr"), c_face::need(dims, "input_shape_data");
  for (mx_uint i = 0; i < count; ++i)
    all[&c_face::need(keys[i], "the name of an input")] = {
        Shape::of(dims + ends[i], dims + ends[i + 1])};
  return all;
}

Predictor make(const char* json, const void* params, int bytes, int device_type, InputTypes inputs,
               const std::vector<std::string>& outputs = {}) {
  check(device_type == Device::kCpu,
        "[predict] found device type {}, expected 1: the predictor runs on the CPU", device_type);
  const char* const from = &c_face::need(static_cast<const char*>(params), "param_bytes");
  auto model = std::make_shared<Model>(&c_face::need(json, "symbol_json_str"),
                                       std::string_view(from, size_t(std::max(bytes, 0))));
  return Predictor(std::move(model), std::move(inputs), outputs);
}

template <class Name>
void check_count(std::string_view before, const Name& name, const Blob& b, mx_uint size) {
  check(b.size() == int64_t(size), "[predict] {}{} has shape {}, found {} elements", before, name,
        b.shape, size);
}

}  // namespace heddle::predict

using namespace heddle;
using c_face::guarded, c_face::need;
using predict::MxPredictor, predict::MxList, predict::predictor_of;

extern "C" {

const char* MXGetLastError(void) { return c_face::last_error().c_str(); }

int MXPredCreate(const char* json, const void* params, int bytes, int dev_type, int dev_id,
                 mx_uint inputs, const char** keys, const mx_uint* ends, const mx_uint* dims,
                 PredictorHandle* out) {
  return MXPredCreatePartialOut(json, params, bytes, dev_type, dev_id, inputs, keys, ends, dims, 0,
                                nullptr, out);
}

int MXPredCreateEx(const char* json, const void* params, int bytes, int dev_type, int,
                   const mx_uint inputs, const char** keys, const mx_uint* ends,
                   const mx_uint* dims, const mx_uint dtype_count, const char** dtype_names,
                   const int* dtypes, PredictorHandle* out) {
  return guarded([&] {
    need(out, "the place of the predictor");
    auto types = predict::inputs_of(inputs, keys, ends, dims);
    for (mx_uint i = 0; i < dtype_count; ++i) {
      const auto it = types.find(std::string_view(&need(dtype_names[i], "the name of an input")));
      if (it == types.end()) continue;  // parameters have the types of the file
      with_dtype(Dtype(dtypes[i]), "predict", [](auto) {});
      it->second.dtype = Dtype(dtypes[i]);
    }
    *out = new MxPredictor(predict::make(json, params, bytes, dev_type, std::move(types)));
  });
}

int MXPredCreatePartialOut(const char* json, const void* params, int bytes, int dev_type, int,
                           mx_uint inputs, const char** keys, const mx_uint* ends,
                           const mx_uint* dims, mx_uint outputs, const char** output_keys,
                           PredictorHandle* out) {
  return guarded([&] {
    need(out, "the place of the predictor");
    std::vector<std::string> names;
    for (mx_uint i = 0; i < outputs; ++i)
      names.emplace_back(&need(output_keys[i], "the name of an output"));
    *out = new MxPredictor(predict::make(json, params, bytes, dev_type,
                                         predict::inputs_of(inputs, keys, ends, dims), names));
  });
}

int MXPredCreateMultiThread(const char* json, const void* params, int bytes, int dev_type, int,
                            mx_uint inputs, const char** keys, const mx_uint* ends,
                            const mx_uint* dims, int threads, PredictorHandle* out) {
  return guarded([&] {
    check(threads > 0, "[predict] found {} threads, expected 1 or more", threads);
    need(out, "the place of the predictors");
    std::vector<std::unique_ptr<MxPredictor>> all;
    all.push_back(std::make_unique<MxPredictor>(predict::make(
        json, params, bytes, dev_type, predict::inputs_of(inputs, keys, ends, dims))));
    while (int(all.size()) < threads)
      all.push_back(std::make_unique<MxPredictor>(all[0]->value.share()));
    for (int i = 0; i < threads; ++i) out[i] = all[size_t(i)].release();
  });
}

int MXPredReshape(mx_uint inputs, const char** keys, const mx_uint* ends, const mx_uint* dims,
                  PredictorHandle handle, PredictorHandle* out) {
  return guarded([&] {
    need(out, "the place of the predictor");
    const predict::Predictor& p = predictor_of(handle).value;
    auto types = predict::inputs_of(inputs, keys, ends, dims);
    for (auto& [name, type] : types) type.dtype = p.input(name).dtype;
    *out = new MxPredictor(p.reshape(types));
  });
}

int MXPredGetOutputShape(PredictorHandle handle, mx_uint index, mx_uint** shape, mx_uint* rank) {
  return guarded([&] {
    MxPredictor& p = predictor_of(handle);
    need(shape, "shape_data"), need(rank, "shape_ndim");
    *rank = mx_uint(p.value.output(int(index)).shape.rank());
    *shape = p.shapes[index].data();
  });
}

int MXPredGetOutputType(PredictorHandle handle, mx_uint index, int* dtype) {
  return guarded([&] {
    need(dtype, "out_dtype");
    *dtype = int(predictor_of(handle).value.output(int(index)).dtype);
  });
}

int MXPredSetInput(PredictorHandle handle, const char* key, const mx_float* data, mx_uint size) {
  return guarded([&] {
    const std::string_view name = &need(key, "key");
    const Blob& b = predictor_of(handle).value.input(name);
    predict::check_count("", name, b, size);
    if (size > 0) std::memcpy(b.data, &need(data, "data"), size_t(b.bytes()));
  });
}

int MXPredSetMonitorCallback(PredictorHandle handle, PredMonitorCallback callback, void* user,
                             bool all) {
  return guarded([&] {
    Session::Monitor each;
    if (callback)
      each = [=](const std::string& name, const Blob& b) {
        predict::MxList list({{name, {b, nullptr}}});
        callback(name.c_str(), &list, user);
      };
    predictor_of(handle).value.monitor(std::move(each), all);
  });
}

int MXPredForward(PredictorHandle handle) {
  return guarded([&] { predictor_of(handle).value.forward(); });
}

int MXPredPartialForward(PredictorHandle handle, int step, int* left) {
  return guarded([&] {
    need(left, "step_left");
    *left = predictor_of(handle).value.step(step);
  });
}

int MXPredGetOutput(PredictorHandle handle, mx_uint index, mx_float* data, mx_uint size) {
  return guarded([&] {
    const Blob& b = predictor_of(handle).value.output(int(index));
    predict::check_count("output ", index, b, size);
    if (size > 0) std::memcpy(&need(data, "data"), b.data, size_t(b.bytes()));
  });
}

int MXPredFree(PredictorHandle handle) {
  return guarded([&] { delete static_cast<MxPredictor*>(handle); });
}

int MXNDListCreate(const char* bytes, int size, NDListHandle* out, mx_uint* length) {
  return guarded([&] {
    need(out, "the place of the list"), need(length, "out_length");
    auto list = std::make_unique<MxList>(
        read_tensors({&need(bytes, "nd_file_bytes"), size_t(std::max(size, 0))}));
    *length = mx_uint(list->value.size());
    *out = list.release();
  });
}

int MXNDListGet(NDListHandle handle, mx_uint index, const char** key, const mx_float** data,
                const mx_uint** shape, mx_uint* rank) {
  return guarded([&] {
    const MxList& list = need(static_cast<MxList*>(handle), "the list");
    check(index < list.shapes.size(), "[predict] found array {}, expected 0 to {}", index,
          int(list.shapes.size()) - 1);
    const NamedTensor& t = list.value[index];
    need(key, "out_key") = t.name.c_str();
    need(data, "out_data") = t.tensor.blob.as<mx_float>();
    need(shape, "out_shape") = list.shapes[index].data();
    need(rank, "out_ndim") = mx_uint(list.shapes[index].size());
  });
}

int MXNDListFree(NDListHandle handle) {
  return guarded([&] { delete static_cast<MxList*>(handle); });
}

}  // extern "C"
