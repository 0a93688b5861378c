// .params files: what is written is read, older versions and sparse arrays are read, and no damaged
// file does more than throw.
#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

#include "heddle/ndarray.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

template <class T>
std::string raw(std::initializer_list<T> v) {
  return std::string(reinterpret_cast<const char*>(std::data(v)), v.size() * sizeof(T));
}
std::string u32(uint32_t v) { return raw<uint32_t>({v}); }
std::string i64s(std::initializer_list<int64_t> v) { return raw<int64_t>(v); }
std::string u64(uint64_t v) { return raw<uint64_t>({v}); }
std::string floats(std::initializer_list<float> v) { return raw<float>(v); }
const std::string kCpuFloat = u32(1) + u32(0) + u32(0);  // cpu(0), float32
std::string list_of(const std::string& record) {
  return u64(0x112) + u64(0) + u64(1) + record + u64(0);
}

std::vector<float> values(const NDArray& a) {
  std::vector<float> v(size_t(a.size()));
  NDArray f({a.size()}, Device{});
  copy(a.reshape({a.size()}), f);
  f.copy_to(v.data());
  return v;
}
NDArray only(const std::string& bytes) {
  const NamedArrays all = load_arrays_from_bytes(bytes, "test");
  EXPECT_EQ(all.arrays.size(), 1u);
  return all.arrays.at(0);
}
std::string error_of(const std::string& bytes) {
  try {
    load_arrays_from_bytes(bytes, "test");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

struct Folder {
  Folder() {
    char name[] = "/tmp/heddle_params_XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path); }
  size_t entries() const { return size_t(std::distance(fs::directory_iterator(path), {})); }
  std::string path;
};

NamedArrays one_of_each() {
  NamedArrays all;
  for (Dtype d : {Dtype::kFloat32, Dtype::kFloat64, Dtype::kFloat16, Dtype::kBfloat16,
                  Dtype::kUint8, Dtype::kInt8, Dtype::kInt32, Dtype::kInt64, Dtype::kBool}) {
    const float v[] = {0, 1, 1, 0, 1, 0};
    NDArray a({2, 3}, Device{}, d);
    copy(NDArray::from_host(v, {2, 3}, Dtype::kFloat32), a);
    all.arrays.push_back(a);
    all.names.push_back("arg:" + std::string(dtype_name(d)));
  }
  Shape scalar;
  scalar.set_rank(0);
  const float seven = 7;
  all.arrays.push_back(NDArray());
  all.arrays.push_back(NDArray::from_host(&seven, scalar, Dtype::kFloat32));
  all.arrays.push_back(NDArray({0, 4}, Device{}, Dtype::kInt32));
  all.arrays.push_back(all.arrays[0].slice(1, 2));
  for (const char* name : {"none", "scalar", "", "a slice"}) all.names.push_back(name);
  return all;
}
void expect_same(const NamedArrays& got, const NamedArrays& want) {
  EXPECT_EQ(got.names, want.names);
  ASSERT_EQ(got.arrays.size(), want.arrays.size());
  for (size_t i = 0; i < got.arrays.size(); ++i) {
    ASSERT_EQ(bool(got.arrays[i]), bool(want.arrays[i])) << i;
    if (!got.arrays[i]) continue;
    EXPECT_EQ(got.arrays[i].shape(), want.arrays[i].shape());
    EXPECT_EQ(got.arrays[i].dtype(), want.arrays[i].dtype());
    EXPECT_EQ(values(got.arrays[i]), values(want.arrays[i]));
  }
}

TEST(Params, WhatIsWrittenIsRead) {
  const NamedArrays all = one_of_each();
  expect_same(load_arrays_from_bytes(save_arrays_to_bytes(all), "test"), all);
  const Folder folder;
  const std::string path = folder.path + "/x.params";
  save_arrays(path, all);
  expect_same(load_arrays(path), all);
  expect_same(load_arrays("file://" + path), all);
  EXPECT_EQ(folder.entries(), 1u);
  NamedArrays anonymous{all.arrays, {}};
  save_arrays(path, anonymous);  // over the old one
  expect_same(load_arrays(path), anonymous);
  save_arrays(path, {});
  EXPECT_EQ(load_arrays(path).arrays.size(), 0u);
}

TEST(Params, TheBytesAreThoseOfVersion2) {
  const float v[] = {1.5f, -2};
  const NDArray a = NDArray::from_host(v, {1, 2}, Dtype::kFloat32);
  const std::string record =
      u32(0xF993FAC9) + u32(0) + u32(2) + i64s({1, 2}) + kCpuFloat + floats({1.5f, -2});
  EXPECT_EQ(array_to_bytes(a), record);
  EXPECT_EQ(save_arrays_to_bytes({{a}, {"w"}}),
            u64(0x112) + u64(0) + u64(1) + record + u64(1) + u64(1) + "w");
  EXPECT_EQ(array_to_bytes(NDArray()), u32(0xF993FAC9) + u32(0) + u32(0));
  EXPECT_EQ(values(array_from_bytes(record)), (std::vector<float>{1.5f, -2}));
  EXPECT_FALSE(array_from_bytes(array_to_bytes(NDArray())));
}

TEST(Params, OlderVersionsAreRead) {
  const std::vector<float> want = {1, 2, 3};
  const std::string data = kCpuFloat + floats({1, 2, 3});
  EXPECT_EQ(values(only(list_of(u32(1) + u32(3) + data))), want);
  EXPECT_EQ(values(only(list_of(u32(0xF993FAC8) + u32(1) + i64s({3}) + data))), want);
  EXPECT_EQ(values(only(list_of(u32(0xF993FAC9) + u32(0) + u32(1) + i64s({3}) + data))), want);
  EXPECT_EQ(values(only(list_of(u32(0xF993FACA) + u32(0) + u32(1) + i64s({3}) + data))), want);
  // Saved on a GPU: it comes to where the caller wants it.
  const std::string gpu = u32(2) + u32(3) + u32(0) + floats({1, 2, 3});
  EXPECT_EQ(only(list_of(u32(1) + u32(3) + gpu)).device(), Device{});
  // "No array" in each version.
  for (const std::string& none :
       {u32(0), u32(0xF993FAC8) + u32(0), u32(0xF993FAC9) + u32(0) + u32(0),
        u32(0xF993FACA) + u32(0) + u32(uint32_t(-1)),
        u32(0xF993FACA) + u32(0) + u32(1) + i64s({-1})})
    EXPECT_FALSE(only(list_of(none)));
}

TEST(Params, RowSparseBecomesDense) {
  const NDArray a =
      only(list_of(u32(0xF993FAC9) + u32(1) + u32(2) + i64s({2, 2}) + u32(2) + i64s({4, 2}) +
                   kCpuFloat + u32(6) + u32(1) + i64s({2}) + floats({1, 2, 3, 4}) + i64s({1, 3})));
  EXPECT_EQ(a.shape(), (Shape{4, 2}));
  EXPECT_EQ(values(a), (std::vector<float>{0, 0, 1, 2, 0, 0, 3, 4}));
}

std::string csr(std::initializer_list<int64_t> starts, std::initializer_list<int64_t> columns) {
  return list_of(u32(0xF993FAC9) + u32(2) + u32(1) + i64s({3}) + u32(2) + i64s({3, 2}) + kCpuFloat +
                 u32(6) + u32(1) + i64s({int64_t(starts.size())}) + u32(6) + u32(1) +
                 i64s({int64_t(columns.size())}) + floats({5, 6, 7}) + raw<int64_t>(starts) +
                 raw<int64_t>(columns));
}
TEST(Params, CsrBecomesDense) {
  const NDArray a = only(csr({0, 2, 2, 3}, {0, 1, 1}));
  EXPECT_EQ(values(a), (std::vector<float>{5, 6, 0, 0, 0, 7}));
}

TEST(Params, SparseArraysThatDoNotFitThrow) {
  EXPECT_NE(error_of(csr({0, 2, 2, 3}, {0, 1, 2})).find("column 2"), std::string::npos);
  EXPECT_NE(error_of(csr({0, 2, 2, 3}, {0, -1, 1})).find("column -1"), std::string::npos);
  EXPECT_NE(error_of(csr({0, 2, 1, 3}, {0, 1, 1})).find("row 1"), std::string::npos);
  EXPECT_NE(error_of(csr({0, 9, 2, 3}, {0, 1, 1})), "");
  EXPECT_NE(error_of(csr({0, 2, 3}, {0, 1, 1})), "");
  EXPECT_NE(error_of(csr({0, 2, 2, 4}, {0, 1, 1})), "");
  // A dense array larger than any memory, out of a hundred bytes.
  const std::string huge = list_of(u32(0xF993FAC9) + u32(1) + u32(2) + i64s({1, 1}) + u32(2) +
                                   i64s({int64_t(1) << 50, 1}) + kCpuFloat + u32(6) + u32(1) +
                                   i64s({1}) + floats({1}) + i64s({3}));
  EXPECT_NE(error_of(huge).find("memory"), std::string::npos) << error_of(huge);
}

TEST(Params, ErrorsSayWhereAndWhat) {
  EXPECT_EQ(error_of(u64(0x113) + u64(0) + u64(0) + u64(0)),
            "[load] 'test' at byte 0: found magic number 275, expected 274 of a .params file");
  const std::string dims = u32(0xF993FAC9) + u32(0) + u32(1);
  EXPECT_EQ(error_of(list_of(dims + i64s({3}) + kCpuFloat)),
            "[load] 'test' at byte 56: found 8 bytes to the end, expected values of shape (3,) of "
            "float32");
  EXPECT_EQ(error_of(list_of(dims + i64s({3}) + u32(1) + u32(0) + u32(9) + floats({1, 2, 3}))),
            "[load] 'test' at byte 52: found dtype 9 (uint16), expected one of heddle's dtypes");
  EXPECT_NE(
      error_of(list_of(u32(1) + u32(1) + kCpuFloat + floats({1})) + "x").find("after the last"),
      std::string::npos);
  EXPECT_NE(error_of(list_of(u32(77))).find("found 77, expected an array"), std::string::npos);
  EXPECT_NE(error_of(u64(0x112) + u64(0) + u64(0) + u64(1)).find("1 names, expected 0 or 0"),
            std::string::npos);
  EXPECT_THROW(load_arrays("/nowhere/x.params"), Error);
  EXPECT_THROW(load_arrays("/tmp"), Error);
  EXPECT_THROW(load_arrays("s3://bucket/x.params"), Error);
  const Folder folder;
  const std::string pipe = folder.path + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW(load_arrays(pipe), Error);
}

TEST(Params, SizesThatOverflowThrow) {
  const int64_t big = int64_t(1) << 62;
  const std::string v2 = u32(0xF993FAC9) + u32(0);
  for (const std::string& record :
       {v2 + u32(2) + i64s({big, 4}) + kCpuFloat, v2 + u32(3) + i64s({big, big, big}) + kCpuFloat,
        v2 + u32(1) + i64s({big}) + kCpuFloat, v2 + u32(1) + i64s({-5}) + kCpuFloat,
        v2 + u32(9) + i64s({1, 1, 1, 1, 1, 1, 1, 1, 1}) + kCpuFloat,
        u32(3) + u32(0xffffffff) + u32(0xffffffff) + u32(0xffffffff) + kCpuFloat})
    EXPECT_NE(error_of(list_of(record)), "");
  // 2^62 * 4 is 0 in 64 bits: not to be taken for an empty array.
  EXPECT_NE(error_of(list_of(v2 + u32(2) + i64s({big, 4}) + kCpuFloat)).find("expected values"),
            std::string::npos);
  EXPECT_NE(error_of(u64(0x112) + u64(0) + u64(~uint64_t{0}) + u64(0)), "");
  EXPECT_NE(error_of(u64(0x112) + u64(0) + u64(1) + u32(0) + u64(1) + u64(~uint64_t{0})), "");
}

TEST(Params, EveryTruncationThrows) {
  const std::string whole = save_arrays_to_bytes(one_of_each());
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_NE(error_of(whole.substr(0, n)).find("[load] 'test' at byte "), std::string::npos) << n;
  const Folder folder;
  const std::string path = folder.path + "/x.params";
  for (size_t n : {size_t{0}, size_t{7}, size_t{30}, whole.size() - 1}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << whole.substr(0, n);
    EXPECT_THROW(load_arrays(path), Error);
  }
}

// Damage anywhere gives an error or other values, never a crash or a wild allocation.
TEST(Params, DamageIsHarmless) {
  const std::string dense = save_arrays_to_bytes(one_of_each());
  const std::string sparse = csr({0, 2, 2, 3}, {0, 1, 1});
  std::mt19937 random(3);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = i % 2 ? dense : sparse;
    for (int hits = 1 + int(random() % 3); hits > 0; --hits) {
      const size_t at = random() % bytes.size();
      // The extents of a dense array made from a sparse one are bounded by the machine only.
      if (i % 2 == 0 && at >= 48 && at < 64) continue;
      bytes[at] = char(random() % 4 ? random() : (random() % 2 ? 0xff : 0x7f));
    }
    try {
      load_arrays_from_bytes(bytes, "test");
    } catch (const Error& e) {
      ASSERT_TRUE(std::string(e.what()).starts_with("[load] 'test' at byte ")) << e.what();
    }
  }
}

TEST(Params, LargeArraysGoThroughFilesUnchanged) {
  std::vector<float> v(1 << 18);
  for (size_t i = 0; i < v.size(); ++i) v[i] = float(i);
  const NDArray a = NDArray::from_host(v.data(), {1 << 18}, Dtype::kFloat32);
  const Folder folder;
  const std::string path = folder.path + "/large.params";
  save_arrays(path, {{a, a.slice(5, 9), a}, {}});
  const NamedArrays back = load_arrays(path);
  EXPECT_EQ(values(back.arrays[0]), v);
  EXPECT_EQ(values(back.arrays[1]), (std::vector<float>{5, 6, 7, 8}));
  EXPECT_EQ(values(back.arrays[2]), v);
}

TEST(Params, AFailedSaveLeavesTheOldFile) {
  const Folder folder;
  const std::string path = folder.path + "/x.params";
  const float v[] = {1};
  const NDArray good = NDArray::from_host(v, {1}, Dtype::kFloat32);
  save_arrays(path, {{good}, {"w"}});
  NDArray bad({1}, Device{});
  Engine::get().push(Task{.name = "failing",
                          .run = [](RunContext&) { throw Error("broke"); },
                          .uses = {{bad.var(), Access::kOverwrite}}});
  EXPECT_THROW(save_arrays(path, {{good, bad}, {}}), Error);  // the error itself
  EXPECT_THROW(save_arrays(path, {{good, bad}, {}}), Error);  // and it still has no value
  EXPECT_THROW(save_arrays(path, {{good}, {"a", "b"}}), Error);
  EXPECT_EQ(load_arrays(path).names, std::vector<std::string>{"w"});
  EXPECT_EQ(folder.entries(), 1u);
  EXPECT_THROW(save_arrays(folder.path + "/no/such/folder", {{good}, {}}), Error);
  EXPECT_THROW(save_arrays(folder.path, {{good}, {}}), Error);
  EXPECT_THROW(save_arrays("/dev/full", {{good}, {}}), Error);
}

TEST(Params, LinksAndModesStay) {
  const Folder folder;
  const float v[] = {1};
  const NDArray a = NDArray::from_host(v, {1}, Dtype::kFloat32);
  const std::string real = folder.path + "/real", link = folder.path + "/link";
  save_arrays(real, {{a}, {}});
  fs::permissions(real, fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink(real, link);
  save_arrays(link, {{a, a}, {}});
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(load_arrays(real).arrays.size(), 2u);
  EXPECT_EQ(fs::status(real).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  save_arrays("/dev/null", {{a}, {}});
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

}  // namespace
}  // namespace heddle
