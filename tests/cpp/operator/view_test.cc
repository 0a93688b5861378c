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

}  // namespace
}  // namespace heddle
