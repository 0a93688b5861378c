// A symbol file between its text and the Symbol: nodes as MXNet's JSON lists them.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "heddle/symbol.h"

namespace heddle::symbol {

constexpr int kFileVersion =
    10901;  // major * 10000 + minor * 100 + patch, of the MXNet we write as
constexpr int kOldestVersion = 800;  // files without a version are older than 0.9

struct FileEntry {
  int node = 0, output = 0;
};
struct FileNode {
  std::string op, name;
  Kwargs attrs;
  std::vector<FileEntry> inputs;
};
struct File {
  int version = kOldestVersion;
  bool every_parameter = false;  // releases up to 0.8 wrote those with their defaults too
  std::vector<FileNode> nodes;
  std::vector<FileEntry> heads;
};

File read_file(std::string_view json);
// The nodes as symbols hold them. Whatever older versions wrote differently is brought up to date.
std::vector<std::shared_ptr<Node>> upgrade(File file);

}  // namespace heddle::symbol
