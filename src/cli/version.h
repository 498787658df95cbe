#pragma once
namespace dlc::cli {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace dlc::cli
