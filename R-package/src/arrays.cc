// Arrays: numbers of R into them and out again. R's arrays have their first dimension innermost,
// heddle's their last, so the dimensions are turned round and the numbers stay in their order.
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "calls.h"
#include "glue.h"

namespace glue {

hd_array_info info_of(const hd_array* array) {
  hd_array_info info = {};
  info.size = sizeof info;
  must(hd_array_describe(array, &info));
  return info;
}

SEXP dims_of(const hd_array* array) {
  const hd_array_info info = info_of(array);
  Rcpp::Shield<SEXP> dims(Rf_allocVector(INTSXP, info.rank));
  for (int i = 0; i < info.rank; ++i) {
    const int64_t d = info.shape[info.rank - 1 - i];
    if (d > INT32_MAX)
      throw Failure("[R] a dimension of " + std::to_string(d) + " is more than R allows");
    INTEGER(dims)[i] = int(d);
  }
  return dims;
}

namespace {

struct Free {
  void operator()(hd_array* a) const { hd_free(a); }
};
using Owned = std::unique_ptr<hd_array, Free>;

// NA is the least of R's whole numbers. The largest int64 is no double: its neighbour above is too
// much.
template <class To, class From>
void check_holds(From v) {
  const double d = std::is_same_v<From, int> && v == From(NA_INTEGER) ? NAN : double(v);
  const double most = std::ldexp(1.0, std::numeric_limits<To>::digits);
  const double least = double(std::numeric_limits<To>::lowest());
  if ((d >= least || d > least - 1) && d < most) return;
  throw Failure("[R] found " + (std::isnan(d) ? std::string("NA") : text_of(d)) +
                ", which the array's dtype has no number for");
}

// Numbers of R, one after the other, as another type.
template <class To, class From>
void convert(const From* from, R_xlen_t n, std::vector<char>& bytes) {
  bytes.resize(size_t(n) * sizeof(To));
  To* to = reinterpret_cast<To*>(bytes.data());
  for (R_xlen_t i = 0; i < n; ++i) {
    if constexpr (std::is_integral_v<To> && !std::is_same_v<To, bool>) check_holds<To>(from[i]);
    to[i] = To(from[i]);
  }
}

template <class To>
void convert(SEXP values, std::vector<char>& bytes) {
  const R_xlen_t n = XLENGTH(values);
  switch (TYPEOF(values)) {
    case REALSXP:
      return convert<To>(REAL(values), n, bytes);
    case RAWSXP:
      return convert<To>(RAW(values), n, bytes);
    case LGLSXP:
    case INTSXP: {
      const int* from = INTEGER(values);
      convert<To>(from, n, bytes);
      if constexpr (std::is_floating_point_v<To>) {
        To* to = reinterpret_cast<To*>(bytes.data());
        for (R_xlen_t i = 0; i < n; ++i)
          if (from[i] == NA_INTEGER) to[i] = std::numeric_limits<To>::quiet_NaN();
      }
      return;
    }
    default:
      throw Failure(std::string("[R] found values of type ") + Rf_type2char(TYPEOF(values)) +
                    ", expected numbers");
  }
}

void convert(SEXP values, int dtype, std::vector<char>& bytes) {
  switch (dtype) {
    case HD_FLOAT32:
      return convert<float>(values, bytes);
    case HD_FLOAT64:
      return convert<double>(values, bytes);
    case HD_UINT8:
      return convert<uint8_t>(values, bytes);
    case HD_INT8:
      return convert<int8_t>(values, bytes);
    case HD_INT32:
      return convert<int32_t>(values, bytes);
    case HD_INT64:
      return convert<int64_t>(values, bytes);
    case HD_BOOL:
      return convert<bool>(values, bytes);
    default:
      throw Failure("[R] found no way from numbers of R to dtype " + std::to_string(dtype));
  }
}

bool is_half(int dtype) { return dtype == HD_FLOAT16 || dtype == HD_BFLOAT16; }

template <class From>
SEXP doubles(const void* data, int64_t n) {
  SEXP values = Rf_allocVector(REALSXP, n);
  const From* from = static_cast<const From*>(data);
  double* to = REAL(values);
  for (int64_t i = 0; i < n; ++i) to[i] = double(from[i]);
  return values;
}

SEXP numbers(const void* data, int dtype, int64_t n) {
  switch (dtype) {
    case HD_FLOAT32:
      return doubles<float>(data, n);
    case HD_FLOAT64:
      return doubles<double>(data, n);
    case HD_UINT8:
      return doubles<uint8_t>(data, n);
    case HD_INT8:
      return doubles<int8_t>(data, n);
    case HD_INT64:
      return doubles<int64_t>(data, n);
    case HD_INT32:
      return doubles<int32_t>(data, n);
    case HD_BOOL: {
      SEXP values = Rf_allocVector(LGLSXP, n);
      for (int64_t i = 0; i < n; ++i)
        LOGICAL(values)[i] = static_cast<const uint8_t*>(data)[i] != 0;
      return values;
    }
    default:
      throw Failure("[R] found dtype " + std::to_string(dtype) + ", which R has no numbers for");
  }
}

constexpr struct {
  const char* name;
  int dtype;
} kDtypes[] = {{"float32", HD_FLOAT32}, {"float64", HD_FLOAT64}, {"float16", HD_FLOAT16},
               {"uint8", HD_UINT8},     {"int32", HD_INT32},     {"int8", HD_INT8},
               {"int64", HD_INT64},     {"bool", HD_BOOL},       {"bfloat16", HD_BFLOAT16}};

int dtype_of(SEXP name) {
  const std::string s = string_of(name, "the dtype");
  for (const auto& d : kDtypes)
    if (s == d.name) return d.dtype;
  throw Failure("[R] found no dtype '" + s + "', expected one such as float32");
}

}  // namespace

hd_array* array_from(SEXP values, const std::vector<int64_t>& shape, int dtype,
                     const char* device) {
  if (is_half(dtype)) {
    const Owned wide(array_from(values, shape, HD_FLOAT32, device));
    return invoke("Cast", {wide.get()}, {"dtype", dtype == HD_FLOAT16 ? "float16" : "bfloat16"});
  }
  std::vector<char> bytes;
  convert(values, dtype, bytes);
  hd_array* made;
  must(hd_array_create(shape.data(), int(shape.size()), dtype, device, &made));
  Owned owned(made);
  must(hd_array_write(made, bytes.data(), bytes.size()));
  return owned.release();
}

SEXP values_of(hd_array* array) {
  const hd_array_info info = info_of(array);
  if (is_half(info.dtype)) {
    const Owned wide(invoke("Cast", {array}, {"dtype", "float32"}));
    return values_of(wide.get());
  }
  Owned here;
  if (std::strncmp(info.device, "cpu", 3) != 0) {
    const std::vector<int64_t> shape(info.shape, info.shape + info.rank);
    hd_array* copy;
    must(hd_array_create(shape.data(), info.rank, info.dtype, nullptr, &copy));
    here.reset(copy);
    invoke("_copyto", {array}, {}, copy);
    array = copy;
  }
  const void* data = nullptr;
  if (info.elements > 0) must(hd_array_data(array, &data));
  Rcpp::Shield<SEXP> values(numbers(data, info.dtype, info.elements));
  if (info.rank != 1) {
    Rcpp::Shield<SEXP> dims(dims_of(array));
    Rf_setAttrib(values, R_DimSymbol, dims);
  }
  return values;
}

SEXP bytes_of_array(hd_array* array) {
  const void* bytes;
  size_t size;
  must(hd_arrays_save(nullptr, &array, nullptr, 1, &bytes, &size));
  Rcpp::Shield<SEXP> raw(Rf_allocVector(RAWSXP, R_xlen_t(size)));
  std::memcpy(RAW(raw), bytes, size);
  return raw;
}

hd_array* array_of_bytes(SEXP bytes) {
  hd_array* const* arrays;
  const char* const* names;
  int count;
  must(hd_arrays_load(nullptr, RAW(bytes), size_t(XLENGTH(bytes)), &arrays, &names, &count));
  return count == 1 ? arrays[0] : throw Failure("[R] found no array in these bytes");
}

}  // namespace glue

using namespace glue;

extern "C" {

SEXP hdr_array(SEXP values, SEXP dims, SEXP dtype, SEXP context) {
  return guarded([&] {
    return give_array(
        array_from(values, shape_of(dims), dtype_of(dtype), device_of(context).c_str()));
  });
}

SEXP hdr_values(SEXP x) {
  return guarded([&] { return values_of(array_of(x)); });
}

SEXP hdr_dim(SEXP x) {
  return guarded([&] { return dims_of(array_of(x)); });
}

SEXP hdr_length(SEXP x) {
  return guarded([&] {
    const double n = double(info_of(array_of(x)).elements);
    return n <= INT32_MAX ? Rf_ScalarInteger(int(n)) : Rf_ScalarReal(n);
  });
}

SEXP hdr_dtype(SEXP x) {
  return guarded([&]() -> SEXP {
    const int dtype = info_of(array_of(x)).dtype;
    for (const auto& d : kDtypes)
      if (d.dtype == dtype) return Rf_mkString(d.name);
    return R_NaString;
  });
}

SEXP hdr_context(SEXP x) {
  return guarded([&] { return context_of(info_of(array_of(x)).device); });
}

// Writes numbers into an array that is there.
SEXP hdr_write(SEXP x, SEXP values) {
  return guarded([&] {
    hd_array* a = array_of(x);
    const hd_array_info info = info_of(a);
    if (XLENGTH(values) != info.elements) {
      throw Failure("[R] found " + std::to_string(XLENGTH(values)) + " values for an array of " +
                    std::to_string(info.elements));
    }
    std::vector<char> bytes;
    convert(values, info.dtype, bytes);
    must(hd_array_write(a, bytes.data(), bytes.size()));
    return x;
  });
}

SEXP hdr_reshape(SEXP x, SEXP dims) {
  return guarded([&] {
    const std::vector<int64_t> shape = shape_of(dims);
    hd_array* out;
    must(hd_array_reshape(array_of(x), shape.data(), int(shape.size()), &out));
    SEXP made = own(Kind::kArray, out);
    keep(made, x);
    return made;
  });
}

// Rows [begin, end) of the sample axis, which is R's last; the same memory.
SEXP hdr_slice(SEXP x, SEXP begin, SEXP end) {
  return guarded([&] {
    hd_array* out;
    must(hd_array_slice(array_of(x), whole_of(begin, "begin"), whole_of(end, "end"), &out));
    SEXP made = own(Kind::kArray, out);
    keep(made, x);
    return made;
  });
}

SEXP hdr_detach(SEXP x) {
  return guarded([&] { return view_array(array_of(x)); });
}

SEXP hdr_release(SEXP x) {
  return guarded([&] {
    release(x);
    return R_NilValue;
  });
}

SEXP hdr_save(SEXP path, SEXP list) {
  return guarded([&] {
    const std::vector<hd_array*> all = arrays_of(list, "the arrays");
    const std::vector<std::string> names = names_of(list);
    const std::vector<const char*> texts = pointers(names);
    const bool named = TYPEOF(list) == VECSXP && Rf_getAttrib(list, R_NamesSymbol) != R_NilValue;
    must(hd_arrays_save(string_of(path, "the file").c_str(), all.data(),
                        named ? texts.data() : nullptr, int(all.size()), nullptr, nullptr));
    return R_NilValue;
  });
}

SEXP hdr_load(SEXP path) {
  return guarded([&] {
    hd_array* const* arrays;
    const char* const* names;
    int count;
    must(hd_arrays_load(string_of(path, "the file").c_str(), nullptr, 0, &arrays, &names, &count));
    Rcpp::Shield<SEXP> all(Rf_allocVector(VECSXP, count));
    for (int i = 0; i < count; ++i)
      if (arrays[i]) SET_VECTOR_ELT(all, i, give_array(arrays[i]));
    if (names) Rf_setAttrib(all, R_NamesSymbol, Rcpp::Shield<SEXP>(strings(names, count)));
    return SEXP(all);
  });
}

SEXP hdr_wait(SEXP x) {
  return guarded([&] {
    must(hd_wait(Rf_isNull(x) ? nullptr : array_of(x)));
    return R_NilValue;
  });
}

}  // extern "C"
