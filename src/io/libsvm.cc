// LibSVMIter: lines of labels and of pairs "column:value". Batches are dense.
#include <algorithm>
#include <optional>

#include "io/image_params.h"
#include "io/iterators.h"
#include "io/text.h"

namespace heddle::io {

struct LibSvmParam {
  std::string data_libsvm, label_libsvm = "NULL";
  Shape data_shape, label_shape{1};
  int64_t num_parts = 1, part_index = 0;
  BatchParam batch;
  void fields(auto&& f) {
    f("data_libsvm", data_libsvm, "File of lines \"label column:value ...\", columns from 0.")
        .required();
    f("data_shape", data_shape, "(columns,) of a sample.").required();
    f("label_libsvm", label_libsvm, "Such a file, whose pairs are the labels.");
    f("label_shape", label_shape, "(columns,) of a label.");
    f("num_parts", num_parts, "The data are cut into that many parts.").at_least(1);
    f("part_index", part_index, "The part that is read, from 0.").at_least(0);
    batch.size(f), batch.round(f), batch.ahead(f);
  }
};

class LibSvmRows : public Samples {
 public:
  explicit LibSvmRows(const LibSvmParam& p) : data_(p.data_libsvm, p.part_index, p.num_parts) {
    if (p.label_libsvm != "NULL" && !p.label_libsvm.empty())
      label_.emplace(p.label_libsvm, p.part_index, p.num_parts);
  }
  void rewind(int64_t) override {
    data_.rewind();
    if (label_) label_->rewind();
    row_ = 0;
  }
  bool next(Sample& s) override {
    const bool more = data_.next(s.bytes);
    s.place = format("{}:{}", data_.path(), data_.number());
    if (label_) {
      std::string label;
      const bool labelled = label_->next(label);
      check(more == labelled, "{} has {} rows than {}, expected as many", label_->path(),
            more ? "fewer" : "more", data_.path());
      s.bytes += '\n';
      s.bytes += label;
    }
    s.index = s.number = row_++;
    return more;
  }

 private:
  Lines data_;
  std::optional<Lines> label_;
  uint64_t row_ = 0;
};

class LibSvmFiller : public Filler {
 public:
  LibSvmFiller(const LibSvmParam& p, Dtype dtype)
      : columns_(p.data_shape[0]), labels_(p.label_shape.size()), dtype_(dtype) {}
  std::unique_ptr<Worker> worker() const override { return std::make_unique<One>(*this); }

 private:
  struct One : Worker {
    const LibSvmFiller& f;
    explicit One(const LibSvmFiller& filler) : f(filler) {}

    void fill(const Sample& s, int64_t row, void* data, void* label) override {
      std::string_view text = s.bytes, second;
      if (const size_t end = text.find('\n'); end != text.npos)
        second = text.substr(end + 1), text = text.substr(0, end);
      std::string_view own = word(text);
      pairs(s, text, data, row, f.columns_);
      if (!second.empty()) {
        word(second);
        return pairs(s, second, label, row, f.labels_);
      }
      for (int64_t i = 0; i < f.labels_; ++i) {
        const size_t end = std::min(own.find(','), own.size());
        store(label, f.dtype_, row * f.labels_ + i, number(s, own.substr(0, end)));
        own.remove_prefix(std::min(end + 1, own.size()));
      }
      check(own.empty(), "{}: found more labels, expected {}", s.place, f.labels_);
    }
    static std::string_view word(std::string_view& text) {
      text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
      const std::string_view w = text.substr(0, text.find_first_of(" \t"));
      text.remove_prefix(w.size());
      return w;
    }
    static double number(const Sample& s, std::string_view text) {
      double v = 0;
      check(parse_number(text, v), "{}: found \"{}\", expected a number", s.place, text);
      return v;
    }
    void pairs(const Sample& s, std::string_view text, void* to, int64_t row,
               int64_t columns) const {
      for (int64_t i = 0; i < columns; ++i) store(to, f.dtype_, row * columns + i, 0);
      for (std::string_view w; !(w = word(text)).empty();) {
        const size_t colon = std::min(w.find(':'), w.size());
        const double column = number(s, w.substr(0, colon));
        check(column >= 0 && column < double(columns) && column == double(int64_t(column)),
              "{}: found the column {}, expected 0 to {}", s.place, w.substr(0, colon),
              columns - 1);
        store(to, f.dtype_, row * columns + int64_t(column),
              colon < w.size() ? number(s, w.substr(colon + 1)) : 1);
      }
    }
  };
  int64_t columns_, labels_;
  Dtype dtype_;
};

static std::unique_ptr<DataIter> make_libsvm(std::string_view who, const void* params) {
  const auto& p = *static_cast<const LibSvmParam*>(params);
  check(p.data_shape.rank() == 1 && p.data_shape.size() > 0,
        "[{}] found data_shape {}, expected (columns,)", who, p.data_shape);
  check(p.label_shape.rank() == 1 && p.label_shape.size() > 0,
        "[{}] found label_shape {}, expected (columns,)", who, p.label_shape);
  check(p.part_index < p.num_parts,
        "[{}] found part_index {} of num_parts {}, expected a smaller one", who, p.part_index,
        p.num_parts);
  const Dtype dtype = p.batch.dtype == Dtype::kUnknown ? Dtype::kFloat32 : p.batch.dtype;
  const int64_t n = p.batch.batch_size;
  BatchShape data{{n, p.data_shape[0]}, dtype}, label{{n}, dtype};
  if (p.label_shape[0] > 1) label.shape.append(p.label_shape[0]);
  return prefetch(std::make_unique<LibSvmRows>(p), std::make_unique<LibSvmFiller>(p, dtype), data,
                  label, p.batch.options(1));
}

void add_libsvm_iterator(std::vector<IterDef>& to) {
  to.push_back({"LibSVMIter",
                "Lines of LibSVM's format: data of (batch_size, columns), labels of (batch_size,) "
                "or (batch_size, columns). Batches are dense arrays.",
                schema<LibSvmParam>(), make_libsvm});
}

}  // namespace heddle::io
