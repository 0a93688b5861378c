// The table of iterators: what each file adds to it.
#pragma once
#include <vector>

#include "heddle/io.h"

namespace heddle::io {

void add_image_iterators(std::vector<IterDef>& to);
void add_det_iterator(std::vector<IterDef>& to);
void add_mnist_iterator(std::vector<IterDef>& to);
void add_csv_iterator(std::vector<IterDef>& to);
void add_libsvm_iterator(std::vector<IterDef>& to);

}  // namespace heddle::io
