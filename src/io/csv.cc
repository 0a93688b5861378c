// CSVIter: rows of numbers between commas.
#include <algorithm>
#include <optional>

#include "io/image_params.h"
#include "io/iterators.h"
#include "io/text.h"

namespace heddle::io {

struct CsvParam {
  std::string data_csv, label_csv = "NULL";
  Shape data_shape, label_shape{1};
  BatchParam batch;
  void fields(auto&& f) {
    f("data_csv", data_csv, "File of a row for each sample, plain or compressed by gzip.")
        .required();
    f("data_shape", data_shape, "Of a sample, whose row has as many numbers.").required();
    f("label_csv", label_csv, "File of the labels; without one they are 0.");
    f("label_shape", label_shape, "Of a label.");
    batch.size(f), batch.round(f), batch.ahead(f);
  }
};

// A row of each file; they are kept in one sample, with a line break between.
class CsvRows : public Samples {
 public:
  CsvRows(const std::string& data, const std::string& label) : data_(data) {
    if (label != "NULL" && !label.empty()) label_.emplace(label);
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
      s.place += format("\n{}:{}", label_->path(), label_->number());
    }
    s.index = s.number = row_++;
    return more;
  }

 private:
  Lines data_;
  std::optional<Lines> label_;
  uint64_t row_ = 0;
};

static void fill_row(std::string_view text, std::string_view place, const Shape& shape, void* to,
                     Dtype dtype, int64_t row) {
  const int64_t width = shape.size();
  const int64_t found = 1 + std::count(text.begin(), text.end(), ',');
  check(found == width, "{}: found {} values, expected {} for shape {}", place, found, width,
        shape);
  for (int64_t i = 0; i < width; ++i) {
    const size_t end = std::min(text.find(','), text.size());
    double v = 0;
    check(parse_number(text.substr(0, end), v), "{}: found \"{}\", expected a number", place,
          text.substr(0, end));
    store(to, dtype, row * width + i, v);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

class CsvFiller : public Filler {
 public:
  CsvFiller(Shape data, Shape label, Dtype dtype) : data_(data), label_(label), dtype_(dtype) {}
  std::unique_ptr<Worker> worker() const override { return std::make_unique<One>(*this); }

 private:
  struct One : Worker {
    const CsvFiller& f;
    explicit One(const CsvFiller& filler) : f(filler) {}
    void fill(const Sample& s, int64_t row, void* data, void* label) override {
      const std::string_view text = s.bytes, place = s.place;
      const size_t end = std::min(text.find('\n'), text.size()),
                   named = std::min(place.find('\n'), place.size());
      fill_row(text.substr(0, end), place.substr(0, named), f.data_, data, f.dtype_, row);
      if (end < text.size())
        return fill_row(text.substr(end + 1), place.substr(named + 1), f.label_, label, f.dtype_,
                        row);
      for (int64_t i = 0; i < f.label_.size(); ++i)
        store(label, f.dtype_, row * f.label_.size() + i, 0);
    }
  };
  Shape data_, label_;
  Dtype dtype_;
};

static std::unique_ptr<DataIter> make_csv(std::string_view who, const void* params) {
  const auto& p = *static_cast<const CsvParam*>(params);
  for (const Shape* s : {&p.data_shape, &p.label_shape})
    check(s->known() && s->rank() > 0 && s->size() > 0,
          "[{}] found the shape {} of a row, expected one of at least one number", who, *s);
  const Dtype dtype = p.batch.dtype == Dtype::kUnknown ? Dtype::kFloat32 : p.batch.dtype;
  Shape data{p.batch.batch_size}, label{p.batch.batch_size};
  for (const int64_t d : p.data_shape) data.append(d);
  if (!(p.label_shape == Shape{1}))
    for (const int64_t d : p.label_shape) label.append(d);
  return prefetch(std::make_unique<CsvRows>(p.data_csv, p.label_csv),
                  std::make_unique<CsvFiller>(p.data_shape, p.label_shape, dtype), {data, dtype},
                  {label, dtype}, p.batch.options(1));
}

void add_csv_iterator(std::vector<IterDef>& to) {
  to.push_back({"CSVIter",
                "Rows of numbers between commas: data of (batch_size, *data_shape), labels of "
                "(batch_size, *label_shape), or (batch_size,) where label_shape is (1,).",
                schema<CsvParam>(), make_csv});
}

}  // namespace heddle::io
