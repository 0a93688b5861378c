// MNISTIter: files in MNIST's idx format.
#include <cstring>
#include <numeric>

#include "io/image_params.h"
#include "io/iterators.h"
#include "io/text.h"

namespace heddle::io {

struct MnistParam {
  std::string image = "./train-images-idx3-ubyte", label = "./train-labels-idx1-ubyte";
  BatchParam batch{.batch_size = 128};
  bool shuffle = true, flat = false, silent = false;
  int64_t seed = 0, num_parts = 1, part_index = 0;
  void fields(auto&& f) {
    f("image", image, "File of images, plain or compressed by gzip.");
    f("label", label, "File of labels, plain or compressed by gzip.");
    f("batch_size", batch.batch_size, "Samples in a batch.").at_least(1);
    f("shuffle", shuffle, "Shuffles once, at the start.");
    f("flat", flat, "An image is a row of numbers.");
    f("seed", seed, "Decides the order.");
    f("silent", silent, "Nothing is printed.").ignored();
    f("num_parts", num_parts, "The data are cut into that many equal parts.").at_least(1);
    f("part_index", part_index, "The part that is read, from 0.").at_least(0);
    batch.ahead(f);
  }
};

// Unsigned bytes with a shape before them.
struct Idx {
  Shape shape;
  std::string bytes;  // from `begin` on
  size_t begin = 0;

  explicit Idx(const std::string& path) : bytes(read_file(path)) {
    const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
    const bool known = bytes.size() >= 4 && !p[0] && !p[1] && p[2] == 8 && p[3] >= 1 && p[3] <= 4;
    check(known, "{}: found {} bytes that begin with {}, expected an idx file of unsigned bytes",
          path, bytes.size(), bytes.size() < 4 ? 0 : p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]);
    begin = 4 + 4 * size_t(p[3]);
    check(bytes.size() >= begin, "{}: found {} bytes, expected at least {}", path, bytes.size(),
          begin);
    shape.set_rank(p[3]);
    double size = 1;
    for (int i = 0; i < p[3]; ++i) {
      const uint8_t* q = p + 4 + 4 * i;
      shape[i] = int64_t(q[0]) << 24 | int64_t(q[1]) << 16 | int64_t(q[2]) << 8 | q[3];
      size *= double(shape[i]);
    }
    check(size == double(bytes.size() - begin),
          "{}: found {} bytes of data, expected {} for shape {}", path, bytes.size() - begin, size,
          shape);
  }
};

// Numbers of rows, in an order that stays.
class Rows : public Samples {
 public:
  explicit Rows(std::vector<int64_t> rows) : rows_(std::move(rows)) {}
  void rewind(int64_t) override { at_ = 0; }
  bool next(Sample& s) override {
    if (at_ == rows_.size()) return false;
    s.index = s.number = uint64_t(rows_[at_++]);
    return true;
  }

 private:
  std::vector<int64_t> rows_;
  size_t at_ = 0;
};

class MnistFiller : public Filler {
 public:
  MnistFiller(std::shared_ptr<const Idx> images, std::shared_ptr<const Idx> labels, Dtype dtype)
      : images_(std::move(images)), labels_(std::move(labels)), dtype_(dtype) {}
  std::unique_ptr<Worker> worker() const override { return std::make_unique<One>(*this); }

 private:
  struct One : Worker {
    const MnistFiller& f;
    explicit One(const MnistFiller& filler) : f(filler) {}
    void fill(const Sample& s, int64_t row, void* data, void* label) override {
      const int64_t size = f.images_->shape.size(1);
      const auto* from = reinterpret_cast<const uint8_t*>(f.images_->bytes.data()) +
                         f.images_->begin + int64_t(s.number) * size;
      with_dtype(f.dtype_, "dtype", [&]<class T>(T) {
        T* to = static_cast<T*>(data) + row * size;
        for (int64_t i = 0; i < size; ++i) to[i] = T(float(from[i]) * (1.0f / 256));
      });
      const size_t at = f.labels_->begin + size_t(s.number);
      store(label, f.dtype_, row, uint8_t(f.labels_->bytes[at]));
    }
  };
  std::shared_ptr<const Idx> images_, labels_;
  Dtype dtype_;
};

static std::unique_ptr<DataIter> make_mnist(std::string_view who, const void* params) {
  const auto& p = *static_cast<const MnistParam*>(params);
  const auto images = std::make_shared<const Idx>(p.image),
             labels = std::make_shared<const Idx>(p.label);
  const Shape &s = images->shape, &l = labels->shape;
  check(s.rank() == 3 && l.rank() == 1 && s[0] == l[0],
        "[{}] found shapes {} in {} and {} in {}, expected (count, rows, columns) and (count,)",
        who, s, p.image, l, p.label);
  check(p.part_index < p.num_parts,
        "[{}] found part_index {} of num_parts {}, expected a smaller one", who, p.part_index,
        p.num_parts);
  const int64_t part = s[0] / p.num_parts;
  std::vector<int64_t> rows(static_cast<size_t>(part));
  std::iota(rows.begin(), rows.end(), part * p.part_index);
  std::mt19937 random{uint32_t(p.seed)};
  if (p.shuffle) shuffle(rows, random);
  const Dtype dtype = p.batch.dtype == Dtype::kUnknown ? Dtype::kFloat32 : p.batch.dtype;
  const int64_t n = p.batch.batch_size;
  BatchShape data{p.flat ? Shape{n, s[1] * s[2]} : Shape{n, 1, s[1], s[2]}, dtype};
  PrefetchOptions options = p.batch.options(1);
  options.tail = Tail::kDrop;
  return prefetch(std::make_unique<Rows>(std::move(rows)),
                  std::make_unique<MnistFiller>(images, labels, dtype), data, {{n}, dtype},
                  options);
}

void add_mnist_iterator(std::vector<IterDef>& to) {
  to.push_back(
      {"MNISTIter",
       "Images and labels in MNIST's format: data from 0 to 1 of (batch_size, 1, rows, "
       "columns), or (batch_size, rows * columns) if flat; labels of (batch_size,). A last "
       "batch that is not full is dropped.",
       schema<MnistParam>(), make_mnist});
}

}  // namespace heddle::io
