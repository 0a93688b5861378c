// Writes the catalogue of operators as JSON: catalogue FILE.
#include "operator/catalogue.h"

#include <cstdio>
#include <fstream>

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: catalogue FILE\n"), 2;
  std::ofstream file(argv[1], std::ios::binary);
  file << heddle::catalogue_json(heddle::OpTable::get());
  file.close();
  if (file.fail()) return std::fprintf(stderr, "catalogue: cannot write %s\n", argv[1]), 1;
}
