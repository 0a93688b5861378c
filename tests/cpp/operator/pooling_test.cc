// Pooling: windows, divisors, conventions, gradients; each kernel against the portable one.
#include "operator/call.h"

namespace heddle::test {

Tensor count(Shape s) {
  Tensor t(s, Dtype::kFloat32);
  for (int64_t i = 0; i < t.size(); ++i) t.set(i, double(i));
  return t;
}

TEST(Pooling, TakesTheMaximum) {
  Call call("Pooling", {count({1, 1, 4, 4})}, {{"kernel", "(2, 2)"}, {"stride", "(2, 2)"}});
  EXPECT_EQ(call.forward().out[0].values(), (std::vector<double>{5, 7, 13, 15}));
  call.backward({Tensor({1, 1, 2, 2}, {1, 2, 3, 4})});
  EXPECT_EQ(call.grads[0].values(),
            (std::vector<double>{0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4}));
}

TEST(Pooling, GivesTheGradientToTheFirstMaximum) {
  for (const char* stride : {"(2, 2)", "(1, 1)"}) {  // vector loop and plain one
    Call call("Pooling", {Tensor({1, 1, 2, 2}, {3, 3, 3, 3})},
              {{"kernel", "(2, 2)"}, {"stride", stride}});
    call.forward().backward({Tensor({1, 1, 1, 1}, {5})});
    EXPECT_EQ(call.grads[0].values(), (std::vector<double>{5, 0, 0, 0}));
  }
}

TEST(Pooling, ClearsTheCellsOfNoWindow) {
  Call call("Pooling", {count({2, 1, 5, 5})}, {{"kernel", "(2, 2)"}, {"stride", "(2, 2)"}});
  call.forward().backward({Tensor({2, 1, 2, 2}, std::vector<double>(8, 1.0))});
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t i = 0; i < 25; ++i) {
      const bool max = (i / 5 == 1 || i / 5 == 3) && (i % 5 == 1 || i % 5 == 3);
      EXPECT_EQ(call.grads[0].at(n * 25 + i), max ? 1 : 0) << i;
    }
}

TEST(Pooling, RoundsAsTheConventionSays) {
  auto extent = [](Shape s, Kwargs kwargs) {
    return Call("Pooling", {count(s)}, std::move(kwargs)).out[0].shape;
  };
  EXPECT_EQ(extent({1, 1, 6, 6}, {{"kernel", "(3, 3)"}, {"stride", "(2, 2)"}}),
            (Shape{1, 1, 2, 2}));
  EXPECT_EQ(extent({1, 1, 6, 6},
                   {{"kernel", "(3, 3)"}, {"stride", "(2, 2)"}, {"pooling_convention", "full"}}),
            (Shape{1, 1, 3, 3}));
  EXPECT_EQ(
      extent({1, 1, 7}, {{"kernel", "(3,)"}, {"stride", "(2,)"}, {"pooling_convention", "same"}}),
      (Shape{1, 1, 4}));
  EXPECT_EQ(extent({2, 3, 6, 5}, {{"kernel", "(2, 2)"}, {"global_pool", "True"}}),
            (Shape{2, 3, 1, 1}));
}

TEST(Pooling, AveragesOverTheWindowWithOrWithoutPadding) {
  Kwargs kwargs = {
      {"kernel", "(2, 2)"}, {"stride", "(2, 2)"}, {"pad", "(1, 1)"}, {"pool_type", "avg"}};
  Call with("Pooling", {count({1, 1, 2, 2})}, kwargs);
  EXPECT_EQ(with.forward().out[0].values(), (std::vector<double>{0, 0.25, 0.5, 0.75}));
  kwargs["count_include_pad"] = "False";
  Call without("Pooling", {count({1, 1, 2, 2})}, kwargs);
  EXPECT_EQ(without.forward().out[0].values(), (std::vector<double>{0, 1, 2, 3}));
}

TEST(Pooling, GradientsAreThoseOfDifferences) {
  for (const char* type : {"max", "avg", "sum", "lp"})
    for (Shape s : {Shape{2, 2, 7}, Shape{2, 2, 5, 6}, Shape{1, 2, 4, 4, 3}}) {
      const std::string all = s.rank() == 3 ? "(3,)" : s.rank() == 4 ? "(3, 3)" : "(3, 3, 3)";
      std::string two = all, one = all;
      for (char& c : two) c = c == '3' ? '2' : c;
      for (char& c : one) c = c == '3' ? '1' : c;
      Call call("Pooling", {uniform(s, Dtype::kFloat64, 0.1, 1)},
                {{"kernel", all},
                 {"stride", two},
                 {"pad", one},
                 {"pool_type", type},
                 {"pooling_convention", "full"},
                 {"p_value", "3"}});
      expect_gradients(call, {0}, 1e-5);
    }
}

TEST(Pooling, KernelsAgree) {
  for (const char* type : {"max", "avg"})
    for (const char* include : {"True", "False"}) {
      // 60 planes; 48, which vector kernels take 16 at a time, across images; pieces of two sizes.
      for (const Shape& s : {Shape{3, 20, 9, 9}, Shape{4, 12, 9, 9}, Shape{9, 16, 7, 8}})
        expect_kernels_agree("Pooling", {uniform(s)},
                             {{"kernel", "(3, 3)"},
                              {"stride", "(2, 2)"},
                              {"pad", "(1, 1)"},
                              {"pool_type", type},
                              {"count_include_pad", include}});
      expect_kernels_agree("Pooling", {uniform({2, 8, 5, 6, 7})},
                           {{"kernel", "(3, 2, 3)"},
                            {"pad", "(1, 0, 1)"},
                            {"pool_type", type},
                            {"count_include_pad", include}});
      expect_kernels_agree("Pooling", {uniform({2, 16, 8, 8})},
                           {{"kernel", "(1, 1)"},
                            {"global_pool", "True"},
                            {"pool_type", type},
                            {"count_include_pad", include}});
      expect_kernels_agree("Pooling", {uniform({2, 5, 6, 6, 6})},
                           {{"kernel", "(2, 2, 2)"},
                            {"stride", "(2, 2, 2)"},
                            {"pool_type", type},
                            {"count_include_pad", include}});
    }
}

TEST(Pooling, SaysWhatIsWrong) {
  EXPECT_THROW(Call("Pooling", {count({1, 1, 3, 3})}, {{"kernel", "(4, 4)"}}), Error);
  EXPECT_THROW(Call("Pooling", {count({1, 1, 3, 3})}, {{"kernel", "(2,)"}}), Error);
  EXPECT_THROW(Call("Pooling", {count({1, 1, 3, 3})}, {{"kernel", "(2, 2)"}, {"pool_type", "lp"}}),
               Error);
  EXPECT_THROW(Call("Pooling", {count({1, 3})}, {{"kernel", "(2, 2)"}}), Error);
}

}  // namespace heddle::test
