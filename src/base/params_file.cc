// Reading MXNet's .params files, versions 0 to 3, up to the values.
#include "base/params_file.h"

#include <algorithm>
#include <cstring>

namespace heddle::params {

constexpr uint64_t kLeastRecord = 4;  // bytes

void Reader::expect(uint64_t bytes, std::string_view what) const {
  check_at(at_, bytes <= left(), "found {} bytes to the end, expected {} of {}", left(), bytes,
           what);
}

void Reader::read(void* to, uint64_t bytes, std::string_view what) {
  expect(bytes, what);
  if (bytes) fetch(to, bytes);
  advance(bytes);
}

void Reader::throw_at(uint64_t where, std::string_view what) const {
  fail("[load] '{}' at byte {}: {}", name_, where, what);
}

void MemoryReader::fetch(void* to, uint64_t bytes) { std::memcpy(to, bytes_.data() + at(), bytes); }

const char* MemoryReader::take(uint64_t bytes, std::string_view what) {
  expect(bytes, what);
  const char* const from = bytes_.data() + at();
  advance(bytes);
  return from;
}

// Up to Shape::kMaxRank dimensions. Unknown ones and an unknown rank come back as negative numbers.
template <class Dim>
Shape read_dims(Reader& in, int64_t rank) {
  Shape shape;
  if (rank < 0) return shape;
  shape.set_rank(int(rank));
  for (int i = 0; i < rank; ++i) {
    const uint64_t where = in.at();
    shape[i] = int64_t(in.get<Dim>("a dimension"));
    in.check_at(where, shape[i] >= -1, "found dimension {}, expected none below 0", shape[i]);
  }
  return shape;
}

Shape read_shape(Reader& in, std::string_view what) {
  const uint64_t where = in.at();
  const auto rank = in.get<int32_t>(what);
  in.check_at(where, rank >= -1 && rank <= Shape::kMaxRank,
              "found {} dimensions for {}, expected at most {}", rank, what, Shape::kMaxRank);
  return read_dims<int64_t>(in, rank);
}

Dtype read_dtype(Reader& in, std::string_view what) {
  static constexpr const char* kForeign[] = {"int16", "uint16", "uint32", "uint64"};
  const uint64_t where = in.at();
  const auto flag = in.get<int32_t>(what);
  if (flag >= 8 && flag <= 11)
    in.check_at(where, false, "found {} {} ({}), expected one of heddle's dtypes", what, flag,
                kForeign[flag - 8]);
  in.check_at(where, (flag >= 0 && flag <= 7) || flag == 12, "found {} {}, expected 0 to 7 or 12",
              what, flag);
  return Dtype(flag);
}

void read_device(Reader& in) {
  const uint64_t where = in.at();
  const auto kind = in.get<int32_t>("the kind of device");
  in.check_at(where, kind >= 1 && kind <= 6, "found kind of device {}, expected 1 to 6", kind);
  in.get<int32_t>("the number of the device");  // where it lived is not where it goes
}

// Not by size(): the product of a damaged file's extents may overflow.
bool has_no_elements(const Shape& shape) {
  return std::find(shape.begin(), shape.end(), 0) != shape.end();
}

bool is_none(const Shape& shape, bool numpy_shapes) {
  if (!shape.known()) return true;
  return !numpy_shapes && (shape.rank() == 0 || has_no_elements(shape));
}

Head read_head(Reader& in) {
  Head head;
  head.where = in.at();
  const auto first = in.get<uint32_t>("an array");
  if (first == kMagic2 || first == kMagic3) {
    const uint64_t kind_at = in.at();
    head.storage = in.get<int32_t>("the storage kind");
    in.check_at(kind_at, head.storage >= 0 && head.storage <= 2,
                "found storage kind {}, expected 0 (dense), 1 (row_sparse) or 2 (csr)",
                head.storage);
    if (head.storage > 0) return head;
    head.shape = read_shape(in, "the shape");
  } else if (first == kMagic1) {
    head.shape = read_shape(in, "the shape");
  } else {
    // The oldest records begin with the number of dimensions.
    in.check_at(head.where, first <= uint32_t(Shape::kMaxRank),
                "found {}, expected an array: a magic number or up to {} dimensions", first,
                Shape::kMaxRank);
    head.shape = read_dims<uint32_t>(in, first);
  }
  head.none = is_none(head.shape, first == kMagic3);
  if (head.none) return head;
  read_device(in);
  head.dtype = read_dtype(in, "dtype");
  return head;
}

uint64_t value_bytes(Reader& in, const Shape& shape, Dtype dtype, std::string_view what) {
  uint64_t bytes = uint64_t(dtype_size(dtype));
  bool fits = true;
  for (int64_t d : shape)
    fits = fits && d >= 0 && !__builtin_mul_overflow(bytes, uint64_t(d ? d : 1), &bytes);
  if (has_no_elements(shape)) bytes = 0;
  in.check_at(in.at(), fits && bytes <= in.left(),
              "found {} bytes to the end, expected {} of shape {} of {}", in.left(), what, shape,
              dtype);
  return bytes;
}

void read_values(Reader& in, void* to, uint64_t bytes, Dtype dtype, std::string_view what) {
  in.read(to, bytes, what);
  if (dtype == Dtype::kBool)  // any other byte would be no bool
    for (uint64_t i = 0; i < bytes; ++i)
      static_cast<uint8_t*>(to)[i] = static_cast<uint8_t*>(to)[i] != 0;
}

void read_list(Reader& in, FunctionRef<void(Reader&)> array, FunctionRef<void(std::string)> name) {
  const auto magic = in.get<uint64_t>("the file's magic number");
  in.check_at(0, magic == kListMagic, "found magic number {}, expected {} of a .params file", magic,
              kListMagic);
  in.get<uint64_t>("a reserved field");
  uint64_t where = in.at();
  const auto count = in.get<uint64_t>("the number of arrays");
  in.check_at(where, count <= in.left() / kLeastRecord,
              "found {} arrays in {} bytes, expected at most {}", count, in.left(),
              in.left() / kLeastRecord);
  for (uint64_t i = 0; i < count; ++i) array(in);
  where = in.at();
  const auto names = in.get<uint64_t>("the number of names");
  in.check_at(where, names == 0 || names == count, "found {} names, expected 0 or {}", names,
              count);
  for (uint64_t i = 0; i < names; ++i) {
    where = in.at();
    const auto length = in.get<uint64_t>("the length of a name");
    in.check_at(where, length <= in.left(), "found a name of {} bytes, expected at most {}", length,
                in.left());
    std::string text(length, '\0');
    in.read(text.data(), length, "a name");
    name(std::move(text));
  }
  in.check_at(in.at(), in.left() == 0, "found {} bytes after the last name, expected the end",
              in.left());
}

// --- writing -------------------------------------------------------------------------------------
template <class T>
void write(Sink out, T v) {
  out(&v, sizeof v);
}

void write_list_head(Sink out, uint64_t count) {
  write(out, kListMagic);
  write(out, uint64_t(0));
  write(out, count);
}

void write_none(Sink out) {
  write(out, kMagic2);
  write(out, int32_t(0));  // dense
  write(out, int32_t(0));  // no dimensions
}

void write_head(Sink out, const Shape& shape, Dtype dtype, Device device) {
  // A scalar and an extent of 0 can only be said in the words of version 3.
  const bool numpy_shape = shape.rank() == 0 || shape.size() == 0;
  write(out, numpy_shape ? kMagic3 : kMagic2);
  write(out, int32_t(0));  // dense
  write(out, int32_t(shape.rank()));
  for (int64_t d : shape) write(out, d);
  write(out, int32_t(device.kind == Device::kFake ? Device::kCpu : device.kind));
  write(out, int32_t(device.id));
  write(out, int32_t(dtype));
}

void write_names(Sink out, std::span<const std::string> names) {
  write(out, uint64_t(names.size()));
  for (const std::string& name : names) {
    write(out, uint64_t(name.size()));
    out(name.data(), name.size());
  }
}

}  // namespace heddle::params
