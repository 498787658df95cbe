// What most sources include, compiled once (cmake/folders.cmake). No heavyweights: g++ instantiates what a precompiled
// header left pending once more in every source, so that with CLI11 and JSON in here each source took 4 s longer.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>
