// The JSON reader: what it reads, and where it says texts go wrong.
#include "base/json.h"

#include <gtest/gtest.h>

#include "heddle/base.h"

namespace heddle {

std::string json_error(std::string_view text) {
  try {
    Json::parse(text);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Json, ReadsEveryKind) {
  const Json v =
      Json::parse(R"( {"a": [1, -2.5e3, true, false, null], "b": {}, "c": "x", "a2": []} )");
  const Json::Array& a = v.find("a")->array("a");
  ASSERT_EQ(a.size(), 5u);
  EXPECT_EQ(a[0].integer("i"), 1);
  EXPECT_EQ(a[1].number("n"), -2500);
  EXPECT_TRUE(a[2].boolean("b"));
  EXPECT_FALSE(a[3].boolean("b"));
  EXPECT_TRUE(a[4].is_null());
  EXPECT_TRUE(v.find("b")->object("b").empty());
  EXPECT_EQ(v.find("c")->string("c"), "x");
  EXPECT_EQ(v.find("d"), nullptr);
  EXPECT_EQ(v.object("v")[3].first, "a2");  // in the order of the text
}

TEST(Json, ReadsEscapes) {
  EXPECT_EQ(Json::parse(R"("\"\\\/\b\f\n\r\t\u00e9\u20ac\ud83d\ude00")").string("s"),
            "\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(Json, SaysWhereATextGoesWrong) {
  EXPECT_EQ(json_error(""), "JSON, byte 0: found the end of the text, expected a value");
  EXPECT_EQ(json_error("[1, x]"), "JSON, byte 4: found 'x', expected a value");
  EXPECT_EQ(json_error("[1 2]"), "JSON, byte 3: found '2', expected ',' or ']'");
  EXPECT_EQ(json_error("{\"a\" 1}"), "JSON, byte 5: found '1', expected ':'");
  EXPECT_EQ(json_error("{a: 1}"), "JSON, byte 1: found 'a', expected a key in quotes");
  EXPECT_EQ(json_error("[1,]"), "JSON, byte 3: found ']', expected a value");
  EXPECT_EQ(json_error("1 1"), "JSON, byte 2: found '1', expected the end of the text");
  EXPECT_EQ(json_error("tru"), "JSON, byte 3: found the end of the text, expected 'true'");
  EXPECT_EQ(json_error("\"ab"),
            "JSON, byte 3: found the end of the text, expected the closing quote");
  EXPECT_EQ(json_error("\"a\nb\""),
            "JSON, byte 2: found a byte of value 10, expected the closing quote");
  EXPECT_EQ(json_error(R"("\q")"), "JSON, byte 2: found 'q', expected an escape");
  EXPECT_EQ(json_error(R"("\u12g4")"), "JSON, byte 5: found 'g', expected four hexadecimal digits");
  for (const char* bad : {"01", "+1", ".5", "1.", "1e", "-", "NaN", "1e999", R"("\ud800")",
                          R"("\udc00")", R"("\ud800\u0041")", "{\"a\":1,}", "'a'", "[", "{"})
    EXPECT_EQ(json_error(bad).substr(0, 10), "JSON, byte") << bad;
}

TEST(Json, DeepTextsAreRefused) {
  EXPECT_EQ(json_error(std::string(60, '[') + std::string(60, ']')), "no error");
  EXPECT_NE(json_error(std::string(1'000'000, '[')).find("at most 64 levels"), std::string::npos);
}

TEST(Json, WrongKindsAreErrors) {
  const Json v = Json::parse("1.5");
  EXPECT_THROW(v.integer("n"), Error);
  EXPECT_THROW(v.string("n"), Error);
  EXPECT_THROW(v.array("n"), Error);
  EXPECT_EQ(v.find("k"), nullptr);
}

TEST(Json, QuotedStringsReadBack) {
  std::string all;
  for (int c = 1; c < 256; ++c) all += char(c);
  std::string text;
  append_quoted(text, all);
  EXPECT_EQ(Json::parse(text).string("s"), all);
}

}  // namespace heddle
