// Arguments of C as values of C++.
#include "capi/handles.h"

#include <algorithm>

namespace heddle::capi {

std::vector<NDArray> arrays_of(hd_array* const* arrays, int count, std::string_view what) {
  check_count(count, arrays, what);
  std::vector<NDArray> all;
  for (int i = 0; i < count; ++i) {
    check(arrays[i] != nullptr, "[C] number {} of the {} is null", i, what);
    all.push_back(arrays[i]->value);
  }
  return all;
}

std::vector<Symbol> symbols_of(hd_symbol* const* symbols, int count) {
  check_count(count, symbols, "symbols");
  std::vector<Symbol> all;
  for (int i = 0; i < count; ++i) {
    check(symbols[i] != nullptr, "[C] number {} of the symbols is null", i);
    all.push_back(symbols[i]->value);
  }
  return all;
}

Shape shape_of(const int64_t* shape, int rank) {
  check(rank >= 0 && rank <= Shape::kMaxRank, "[C] found a shape of rank {}, expected 0 to {}",
        rank, Shape::kMaxRank);
  check(shape != nullptr || rank == 0, "[C] a shape of rank {} is null", rank);
  Shape s;
  s.set_rank(0);
  for (int i = 0; i < rank; ++i) s.append(std::max(shape[i], int64_t(-1)));
  return s;
}

Dtype dtype_of(int dtype) {
  check(dtype >= 0 && dtype < 128 && dtype_name(Dtype(dtype)) != dtype_name(Dtype::kUnknown),
        "[C] found dtype {}, expected one of HD_FLOAT32 ...", dtype);
  return Dtype(dtype);
}

Device device_of(const char* name) { return name ? device_from_name(name, Device{}) : Device{}; }

GradReq grad_of(int grad, GradReq fallback) {
  switch (grad) {
    case HD_GRAD_DEFAULT:
      return fallback;
    case HD_GRAD_WRITE:
      return GradReq::kWrite;
    case HD_GRAD_ADD:
      return GradReq::kAdd;
    case HD_GRAD_NONE:
      return GradReq::kNone;
  }
  fail("[C] found {} for a gradient, expected one of HD_GRAD_WRITE ...", grad);
}

Kwargs params_of(const char* const* params) {
  Kwargs all;
  for (; params && *params; params += 2) {
    check(params[1] != nullptr, "[C] parameter '{}' has no value", params[0]);
    all.insert_or_assign(params[0], params[1]);
  }
  return all;
}

void ArrayList::set(const std::vector<NDArray>& arrays) {
  handles_.clear();
  pointers_.clear();
  for (const NDArray& a : arrays) {
    handles_.push_back(a ? std::make_unique<hd_array>(a) : nullptr);
    pointers_.push_back(handles_.back().get());
  }
}

std::vector<hd_variable> variables_of(const hd_variable* variables, int count) {
  std::vector<hd_variable> all;
  c_face::each_taken(variables, count, "hd_variable", [&](const hd_variable& v) {
    check(v.name != nullptr, "[C] variable {} has no name", all.size());
    all.push_back(v);
  });
  return all;
}

}  // namespace heddle::capi
