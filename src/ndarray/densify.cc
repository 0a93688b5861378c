// Sparse arrays of .params files, as dense ones.
#include <cstring>
#include <vector>

#include "device/system.h"
#include "ndarray/chunk.h"
#include "ndarray/convert.h"
#include "ndarray/params_format.h"

namespace heddle::params {

// A dense array of zeros. A few bytes of a damaged file must not make the machine swap itself dead.
NDArray zeros(const Reader& in, uint64_t where, const Shape& shape, Dtype dtype) {
  uint64_t bytes = uint64_t(dtype_size(dtype));
  bool fits = true;
  for (int64_t d : shape) fits = fits && !__builtin_mul_overflow(bytes, uint64_t(d), &bytes);
  const uint64_t memory = uint64_t(system::free_bytes());
  in.check_at(
      where, fits && bytes <= memory,
      "found a sparse array of shape {} of {}, expected one that fits the {} bytes of memory left",
      shape, dtype, memory);
  NDArray a(shape, Device{}, dtype);
  if (bytes) std::memset(memory_of(a).data(), 0, bytes);
  return a;
}

std::vector<int64_t> integers(const Reader& in, uint64_t where, const NDArray& a) {
  in.check_at(where, a.dtype() == Dtype::kInt64 || a.dtype() == Dtype::kInt32,
              "found indices of {}, expected int64", a.dtype());
  in.check_at(where, a.shape().rank() == 1, "found indices of shape {}, expected one axis",
              a.shape());
  std::vector<int64_t> v(size_t(a.size()));
  convert(v.data(), Dtype::kInt64, memory_of(a).data(), a.dtype(), a.size());
  return v;
}

NDArray densify_rows(const Reader& in, uint64_t where, const Shape& shape, const NDArray& data,
                     const NDArray& indices) {
  const std::vector<int64_t> rows = integers(in, where, indices);
  Shape expected = shape;
  expected[0] = int64_t(rows.size());
  in.check_at(where, data.shape() == expected, "found stored values of shape {}, expected {}",
              data.shape(), expected);
  NDArray dense = zeros(in, where, shape, data.dtype());
  const size_t row = size_t(shape.size(1) * dtype_size(data.dtype()));
  for (size_t i = 0; i < rows.size(); ++i) {
    in.check_at(where, rows[i] >= 0 && rows[i] < shape[0], "found row {}, expected it below {}",
                rows[i], shape[0]);
    std::memcpy(static_cast<char*>(memory_of(dense).data()) + size_t(rows[i]) * row,
                static_cast<const char*>(memory_of(data).data()) + i * row, row);
  }
  return dense;
}

NDArray densify_csr(const Reader& in, uint64_t where, const Shape& shape, const NDArray& data,
                    const NDArray& indptr, const NDArray& indices) {
  in.check_at(where, shape.rank() == 2, "found a csr array of shape {}, expected two axes", shape);
  const std::vector<int64_t> starts = integers(in, where, indptr);
  const std::vector<int64_t> columns = integers(in, where, indices);
  in.check_at(where, int64_t(starts.size()) == shape[0] + 1, "found {} row starts, expected {}",
              starts.size(), shape[0] + 1);
  in.check_at(where, data.shape() == Shape{int64_t(columns.size())},
              "found stored values of shape {}, expected ({})", data.shape(), columns.size());
  in.check_at(where, starts.front() == 0 && starts.back() == int64_t(columns.size()),
              "found row starts from {} to {}, expected 0 to {}", starts.front(), starts.back(),
              columns.size());
  NDArray dense = zeros(in, where, shape, data.dtype());
  const size_t item = size_t(dtype_size(data.dtype()));
  auto* to = static_cast<char*>(memory_of(dense).data());
  const auto* from = static_cast<const char*>(memory_of(data).data());
  for (int64_t r = 0; r < shape[0]; ++r) {
    in.check_at(where, starts[r] <= starts[r + 1] && starts[r + 1] <= starts.back(),
                "found row {} from {} to {}, expected rows in order", r, starts[r], starts[r + 1]);
    for (int64_t i = starts[r]; i < starts[r + 1]; ++i) {
      in.check_at(where, columns[i] >= 0 && columns[i] < shape[1],
                  "found column {}, expected it below {}", columns[i], shape[1]);
      std::memcpy(to + size_t(r * shape[1] + columns[i]) * item, from + size_t(i) * item, item);
    }
  }
  return dense;
}

}  // namespace heddle::params
