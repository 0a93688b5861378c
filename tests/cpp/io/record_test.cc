// RecordIO files on their own: what is written comes back, and broken files lose what is broken.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "heddle/io.h"

namespace heddle::io {

const std::string kMagicBytes = "\x0a\x23\xd7\xce";

std::string path_of_test() {
  return testing::TempDir() + "record_test." + std::to_string(getpid()) + ".rec";
}

std::string bytes_of(const std::string& path) {
  std::ifstream f(path, std::ios::binary);
  std::stringstream s;
  s << f.rdbuf();
  return s.str();
}

// All records of a file; an error stands as its text.
std::vector<std::string> read_all(const std::string& path) {
  std::vector<std::string> all;
  RecordReader reader(path);
  for (std::string record;;) {
    try {
      if (!reader.read(record)) return all;
      all.push_back(record);
    } catch (const Error& e) {
      const std::string text = e.what();
      all.push_back("!" + text.substr(text.find("at byte")));
    }
  }
}

struct Records : testing::Test {
  std::string path = path_of_test();
  std::vector<std::string> records = {
      "",
      "a",
      "abcd",
      kMagicBytes,
      "x" + kMagicBytes,
      "1234" + kMagicBytes + kMagicBytes + "56789",
      std::string(200000, 'z') + kMagicBytes + std::string(70000, 'y')};
  std::vector<int64_t> places;
  void SetUp() override {
    RecordWriter writer(path);
    for (const std::string& r : records) places.push_back(writer.tell()), writer.write(r);
    places.push_back(writer.tell());
    writer.close();
  }
  void TearDown() override { std::remove(path.c_str()); }
  void put(const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }
};

TEST_F(Records, ComeBack) {
  EXPECT_EQ(read_all(path), records);
  EXPECT_EQ(int64_t(bytes_of(path).size()), places.back());
  RecordReader reader(path);
  std::string record;
  for (size_t i = records.size(); i-- > 0;) {
    reader.seek(places[i]);
    ASSERT_TRUE(reader.read(record));
    EXPECT_EQ(record, records[i]);
    EXPECT_EQ(reader.tell(), places[i + 1]);
    reader.seek_record(i ? places[i - 1] + 1 : 0);
    EXPECT_EQ(reader.tell(), i ? places[i] : 0);
  }
}

TEST_F(Records, AreReadBehindWhatIsBroken) {
  std::string bytes = bytes_of(path);
  bytes[size_t(places[1])] = 'Q';             // no magic word
  bytes[size_t(places[3]) + 7] = char(0x40);  // a part that does not come first
  bytes[size_t(places[4]) + 4] = char(0xff);  // a length that the file has not
  bytes[size_t(places[4]) + 6] = char(0xff);
  put(bytes);
  const std::vector<std::string> found = read_all(path);
  ASSERT_EQ(found.size(), 7u);
  EXPECT_EQ(found[0], records[0]);
  EXPECT_EQ(found[1].find("!at byte 8: found the word"), 0u) << found[1];
  EXPECT_EQ(found[2], records[2]);
  EXPECT_NE(found[3].find("kind 2"), std::string::npos) << found[3];
  EXPECT_NE(found[4].find("truncated"), std::string::npos) << found[4];
  EXPECT_EQ(found[5], records[5]);
  EXPECT_EQ(found[6], records[6]);
}

TEST_F(Records, OfTruncatedFilesAreReadUpToThere) {
  const std::string bytes = bytes_of(path);
  for (int64_t keep :
       {places[5] + 3, places[5] + 8, places[6] + 300, places[6] - 4, places[7] - 1}) {
    put(bytes.substr(0, size_t(keep)));
    const std::vector<std::string> found = read_all(path);
    const size_t whole = keep >= places[6] ? 6 : 5;
    // A missing byte of padding loses nothing.
    ASSERT_EQ(found.size(), whole + 1);
    EXPECT_EQ(std::vector(found.begin(), found.begin() + int64_t(whole)),
              std::vector(records.begin(), records.begin() + int64_t(whole)));
    EXPECT_NE(found.back().find("truncated"), std::string::npos) << found.back();
  }
}

TEST_F(Records, OfFilesThatAreNotThereAreErrors) {
  EXPECT_THROW(RecordReader("/nowhere/x.rec"), Error);
  EXPECT_THROW(RecordWriter("/nowhere/x.rec"), Error);
  EXPECT_THROW(RecordReader("/"), Error);
  RecordReader reader(path);
  reader.close();
  std::string record;
  EXPECT_THROW(reader.read(record), Error);
  RecordWriter writer(path);
  writer.close();
  writer.close();
  EXPECT_THROW(writer.write(""), Error);
}

}  // namespace heddle::io
