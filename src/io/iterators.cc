// The table of iterators, and making one by its name.
#include "io/iterators.h"

namespace heddle::io {

std::span<const IterDef> iterators() {
  static const std::vector<IterDef> all = [] {
    std::vector<IterDef> list;
    add_image_iterators(list);
    add_det_iterator(list);
    add_mnist_iterator(list);
    add_csv_iterator(list);
    add_libsvm_iterator(list);
    return list;
  }();
  return all;
}

std::unique_ptr<DataIter> make_iterator(std::string_view name, const Kwargs& params) {
  for (const IterDef& d : iterators())
    if (d.name == name) return d.make(name, d.params.parse(name, params).get());
  fail("found no iterator named {}", name);
}

}  // namespace heddle::io
