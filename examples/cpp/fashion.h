// Fashion-MNIST (or MNIST) in batches, and how many answers are right.
#pragma once
#include <heddle/io.h>
#include <heddle/ndarray.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

constexpr int kBatch = 100;

// `part`: only one of so many parts of the data is used.
inline std::unique_ptr<heddle::io::DataIter> open_data(const std::string& folder,
                                                       const std::string& kind, bool flat,
                                                       const std::string& parts = "1") {
  return heddle::io::make_iterator("MNISTIter",
                                   {{"image", folder + "/" + kind + "-images-idx3-ubyte"},
                                    {"label", folder + "/" + kind + "-labels-idx1-ubyte"},
                                    {"batch_size", std::to_string(kBatch)},
                                    {"flat", flat ? "True" : "False"},
                                    {"shuffle", kind == "train" ? "True" : "False"},
                                    {"num_parts", parts}});
}

inline std::vector<float> host(const heddle::NDArray& a) {
  std::vector<float> v(size_t(a.size()));
  a.copy_to(v.data());
  return v;
}

inline int right(const heddle::NDArray& scores, const heddle::NDArray& labels, int64_t count) {
  const std::vector<float> s = host(scores), l = host(labels);
  const int64_t classes = scores.shape()[1];
  int found = 0;
  for (int64_t i = 0; i < count; ++i) {
    const auto row = s.begin() + i * classes;
    found += std::max_element(row, row + classes) - row == int64_t(l[size_t(i)]);
  }
  return found;
}
