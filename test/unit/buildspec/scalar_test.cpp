#include "buildspec/scalar.h"

#include <gtest/gtest.h>

#include <cmath>

namespace dlc::buildspec {
namespace {

struct Case {
  const char* plain;
  Kind kind;
  const char* text;
};

class Typed : public testing::TestWithParam<Case> {};

TEST_P(Typed, HasKindAndText) {
  const auto scalar = typed(GetParam().plain);
  EXPECT_EQ(scalar.kind, GetParam().kind) << GetParam().plain;
  EXPECT_EQ(scalar.text, GetParam().text) << GetParam().plain;
}

INSTANTIATE_TEST_SUITE_P(Words, Typed,
                         testing::Values(Case{"", Kind::null, "None"}, Case{"~", Kind::null, "None"},
                                         Case{"null", Kind::null, "None"}, Case{"NULL", Kind::null, "None"},
                                         Case{"true", Kind::boolean, "True"}, Case{"TRUE", Kind::boolean, "True"},
                                         Case{"False", Kind::boolean, "False"}, Case{"yes", Kind::string, "yes"},
                                         Case{"On", Kind::string, "On"}, Case{"nan", Kind::string, "nan"},
                                         Case{"tRue", Kind::string, "tRue"}));

INSTANTIATE_TEST_SUITE_P(
    Integers, Typed,
    testing::Values(Case{"10", Kind::integer, "10"}, Case{"0123", Kind::integer, "123"}, Case{"08", Kind::integer, "8"},
                    Case{"007", Kind::integer, "7"}, Case{"0", Kind::integer, "0"}, Case{"-0", Kind::integer, "0"},
                    Case{"0o17", Kind::integer, "15"}, Case{"0x1F", Kind::integer, "31"},
                    Case{"0b101", Kind::integer, "5"}, Case{"1_000", Kind::integer, "1000"},
                    Case{"+3", Kind::integer, "3"}, Case{"-5", Kind::integer, "-5"},
                    Case{"0xFFFFFFFFFFFFFFFFF", Kind::integer, "295147905179352825855"},
                    Case{"123456789012345678901234567890", Kind::integer, "123456789012345678901234567890"},
                    Case{"0x", Kind::string, "0x"}, Case{"0o8", Kind::string, "0o8"}, Case{"-", Kind::string, "-"},
                    Case{"+", Kind::string, "+"}, Case{"1a", Kind::string, "1a"}));

INSTANTIATE_TEST_SUITE_P(
    Floats, Typed,
    testing::Values(Case{"1.10", Kind::floating, "1.1"}, Case{"2.0", Kind::floating, "2.0"},
                    Case{"1e3", Kind::floating, "1000.0"}, Case{"1.5e3", Kind::floating, "1500.0"},
                    Case{"1e-2", Kind::floating, "0.01"}, Case{".5", Kind::floating, "0.5"},
                    Case{"1.", Kind::floating, "1.0"}, Case{"-1.50", Kind::floating, "-1.5"},
                    Case{"+1.5", Kind::floating, "1.5"}, Case{"1_0.5", Kind::floating, "10.5"},
                    Case{"100000000000000000000.0", Kind::floating, "1e+20"}, Case{"0.00001", Kind::floating, "1e-05"},
                    Case{"0.0001", Kind::floating, "0.0001"}, Case{"1e15", Kind::floating, "1000000000000000.0"},
                    Case{"1e16", Kind::floating, "1e+16"}, Case{"1e400", Kind::floating, "inf"},
                    Case{"1e-400", Kind::floating, "0.0"}, Case{"1.0e+3", Kind::floating, "1000.0"},
                    Case{"0.1", Kind::floating, "0.1"},
                    Case{"123456789.123456789", Kind::floating, "123456789.12345679"},
                    Case{"1e300", Kind::floating, "1e+300"}, Case{"-.inf", Kind::floating, "-inf"},
                    Case{".inf", Kind::floating, "inf"}, Case{".NaN", Kind::floating, "nan"},
                    Case{".5e+3", Kind::floating, "500.0"}, Case{".5e3", Kind::string, ".5e3"},
                    Case{"1.2.3", Kind::string, "1.2.3"}, Case{".", Kind::string, "."}, Case{"1e", Kind::string, "1e"},
                    Case{"._", Kind::string, "._"}, Case{"1.5x", Kind::string, "1.5x"}));

INSTANTIATE_TEST_SUITE_P(
    Dates, Typed,
    testing::Values(Case{"2020-01-02", Kind::date, "2020-01-02"}, Case{"2020-1-2", Kind::string, "2020-1-2"},
                    Case{"2020-02-30", Kind::bad, "2020-02-30"}, Case{"2020-13-01", Kind::bad, "2020-13-01"},
                    Case{"2020-01-02 03:04:05", Kind::date, "2020-01-02 03:04:05"},
                    Case{"2020-01-02T03:04:05Z", Kind::date, "2020-01-02 03:04:05"},
                    Case{"2020-1-2 3:04:05.25", Kind::date, "2020-01-02 03:04:05.250000"},
                    Case{"2020-01-02 03:04:05.000", Kind::date, "2020-01-02 03:04:05"},
                    Case{"2020-01-01 00:30:00 +01:00", Kind::date, "2019-12-31 23:30:00"},
                    Case{"2020-01-01 23:30:00-1", Kind::date, "2020-01-02 00:30:00"},
                    Case{"2020-01-02 25:00:00", Kind::bad, "2020-01-02"},
                    Case{"2020-01-02 03:04:05 PM", Kind::string, "2020-01-02 03:04:05 PM"},
                    Case{"2020-01-02 03:04", Kind::string, "2020-01-02 03:04"},
                    Case{"2020-01-02x", Kind::string, "2020-01-02x"}, Case{"2020-01", Kind::string, "2020-01"},
                    Case{"12:30", Kind::string, "12:30"}, Case{"2020-", Kind::string, "2020-"}));

TEST(Scalar, NumbersCompareByValue) {
  EXPECT_DOUBLE_EQ(typed("1.10").number, 1.1);
  EXPECT_DOUBLE_EQ(typed("0x10").number, 16);
  EXPECT_DOUBLE_EQ(typed("-5").number, -5);
  EXPECT_DOUBLE_EQ(typed("true").number, 1);
  EXPECT_TRUE(std::isnan(typed(".nan").number));
}

TEST(Scalar, AnEndlessNumberIsText) {
  EXPECT_EQ(typed("0x" + std::string(5000, 'f')).kind, Kind::string);
}

TEST(Scalar, EveryKindHasAName) {
  for (const auto kind : {Kind::null, Kind::boolean, Kind::integer, Kind::floating, Kind::date, Kind::string,
                          Kind::sequence, Kind::mapping, Kind::bad}) {
    EXPECT_FALSE(name_of(kind).empty());
  }
}

}  // namespace
}  // namespace dlc::buildspec
