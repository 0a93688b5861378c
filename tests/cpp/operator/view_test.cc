// Strided copies and sums against element-by-element loops, over random views.
#include "operator/tensor/view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace heddle {

namespace view = ops::view;

namespace {

using view::View;

// Every element of a view, in order: where it lies.
std::vector<int64_t> places(const View& v) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < v.size(); ++i) {
    int64_t at = v.offset, rest = i;
    for (int d = v.rank - 1; d >= 0; --d) {
      at += rest % v.extent[d] * v.stride[d];
      rest /= v.extent[d];
    }
    all.push_back(at);
  }
  return all;
}

template <class T>
Blob blob(std::vector<T>& data, Dtype d) {
  return {data.data(), {int64_t(data.size())}, d, {}};
}

template <class T>
void expect_copies(const View& a, const View& b, int64_t from_size, int64_t to_size, Dtype d) {
  std::vector<T> from(from_size), to(to_size, T(77)), wanted = to;
  std::iota(from.begin(), from.end(), T(1));
  const auto x = places(a), y = places(b);
  for (size_t i = 0; i < x.size(); ++i) wanted[y[i]] = from[x[i]];
  view::copy(OpContext{}, blob(from, d), a, blob(to, d), b);
  ASSERT_EQ(to, wanted);
}

// A random permutation of a dense tensor, some axes cut, turned around or with gaps.
View random_view(std::mt19937& random, const std::vector<int64_t>& extents, int64_t* size) {
  const int rank = int(extents.size());
  std::vector<int> order(rank);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  Shape dense = Shape::unknown(rank);
  std::vector<int64_t> step(rank), begin(rank);
  for (int d = 0; d < rank; ++d) {
    step[d] = 1 + int64_t(random() % 2);
    begin[d] = int64_t(random() % 3);
    dense[order[d]] = begin[d] + extents[d] * step[d];
  }
  View v = View(dense).permuted(order.data());
  for (int d = 0; d < rank; ++d) {
    if (random() % 4 == 0) v.slice(d, begin[d] + (extents[d] - 1) * step[d], extents[d], -step[d]);
    else v.slice(d, begin[d], extents[d], step[d]);
  }
  *size = dense.size();
  return v;
}

TEST(View, CopiesBetweenRandomViews) {
  std::mt19937 random(1);
  for (int round = 0; round < 400; ++round) {
    std::vector<int64_t> extents;
    for (size_t d = 0, rank = 1 + random() % 5; d < rank; ++d) extents.push_back(1 + random() % 6);
    int64_t from_size, to_size;
    const View a = random_view(random, extents, &from_size);
    const View b = random_view(random, extents, &to_size);
    expect_copies<float>(a, b, from_size, to_size, Dtype::kFloat32);
    expect_copies<uint8_t>(a, b, from_size, to_size, Dtype::kUint8);
    expect_copies<int64_t>(a, b, from_size, to_size, Dtype::kInt64);
  }
}

TEST(View, TransposesLargeMatrices) {
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>{1000, 37}, {33, 2001}, {1, 70000}}) {
    const View a = View({rows, columns}).swap(0, 1), b({columns, rows});
    expect_copies<float>(a, b, rows * columns, rows * columns, Dtype::kFloat32);
  }
  constexpr int kOrder[] = {0, 2, 3, 1};  // NCHW to NHWC
  const View a = View({3, 40, 17, 19}).permuted(kOrder), b({3, 17, 19, 40});
  expect_copies<int16_t>(a, b, a.size(), a.size(), Dtype::kFloat16);
}

// Runs of every kind of length, cut by the pieces of a parallel loop and followed by a gap.
TEST(View, CopiesRunsOfAnyLength) {
  for (int64_t length : {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 33, 63, 64, 65, 100, 1000}) {
    const int64_t rows = 300000 / length, gap = 3;
    const View gaps = View({rows, length + gap}).slice(1, 1, length), dense({rows, length});
    const int64_t size = rows * (length + gap);
    expect_copies<float>(gaps, dense, size, dense.size(), Dtype::kFloat32);
    expect_copies<float>(dense, gaps, dense.size(), size, Dtype::kFloat32);
    expect_copies<uint8_t>(gaps, dense, size, dense.size(), Dtype::kUint8);
    const View turned = View({rows, length}).slice(0, rows - 1, rows, -1);
    expect_copies<int16_t>(turned, dense, dense.size(), dense.size(), Dtype::kFloat16);
    const View mirrored = View({rows, length}).slice(1, length - 1, length, -1);
    expect_copies<double>(mirrored, dense, dense.size(), dense.size(), Dtype::kFloat64);
    const View second({rows, 2 * length});
    expect_copies<float>(View(second).slice(1, 0, length, 2), dense, second.size(), dense.size(),
                         Dtype::kFloat32);
    expect_copies<float>(dense, View(second).slice(1, 1, length, 2), dense.size(), second.size(),
                         Dtype::kFloat32);
  }
}

TEST(View, RepeatsElements) {
  View a;
  a.push(3, 1).push(4, 0);
  expect_copies<float>(a, View({3, 4}), 3, 12, Dtype::kFloat32);
}

TEST(View, CopiesNothing) {
  View a({2, 0, 3});
  view::copy(OpContext{}, Blob{}, a, Blob{}, a);
}

TEST(View, SumsRepeats) {
  std::vector<double> from(3 * 4 * 5), to(15);
  std::iota(from.begin(), from.end(), 0.0);
  View kept, summed;  // over the middle axis
  kept.push(3, 20).push(5, 1);
  summed.push(4, 5);
  view::sum(OpContext{}, blob(from, Dtype::kFloat64), kept, summed, blob(to, Dtype::kFloat64));
  for (int i = 0; i < 3; ++i)
    for (int k = 0; k < 5; ++k) {
      double wanted = 0;
      for (int j = 0; j < 4; ++j) wanted += from[i * 20 + j * 5 + k];
      EXPECT_EQ(to[i * 5 + k], wanted);
    }
  summed.extent[0] = 0;
  view::sum(OpContext{}, blob(from, Dtype::kFloat64), kept, summed, blob(to, Dtype::kFloat64));
  EXPECT_EQ(to, std::vector<double>(15));
}

template <class T>
void expect_sums(const View& kept, const View& summed, int64_t size, Dtype d) {
  std::vector<T> from(static_cast<size_t>(size)), to(static_cast<size_t>(kept.size())), wanted;
  for (size_t i = 0; i < from.size(); ++i) from[i] = T(i % 13);
  const auto at = places(kept), terms = places(summed);
  for (int64_t k : at) {
    T sum = 0;
    for (int64_t t : terms) sum = T(sum + from[size_t(k + t)]);
    wanted.push_back(sum);
  }
  view::sum(OpContext{}, blob(from, d), kept, summed, blob(to, d));
  ASSERT_EQ(to, wanted);
}

// Short and long lines of sums, whose terms lie beside each other or far apart.
TEST(View, SumsAlongAnyAxes) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    const int64_t last = round % 3 ? 1 + int64_t(random() % 9) : 500 + int64_t(random() % 700);
    const Shape dense{1 + int64_t(random() % 4), 1 + int64_t(random() % 6),
                      1 + int64_t(random() % 5), last};
    const View all(dense);
    View kept, summed;
    for (int d = 0; d < all.rank; ++d)
      (random() % 2 ? kept : summed).push(all.extent[d], all.stride[d]);
    expect_sums<float>(kept, summed, dense.size(), Dtype::kFloat32);
    expect_sums<int32_t>(kept, summed, dense.size(), Dtype::kInt32);
  }
  View kept, summed;  // neighbours, in more than one piece
  kept.push(70001, 2), summed.push(2, 1);
  expect_sums<double>(kept, summed, 140002, Dtype::kFloat64);
}

}  // namespace
}  // namespace heddle
