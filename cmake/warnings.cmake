# Warnings, hardening and sanitizers, shared by every target through one interface library.
add_library(dlc_options INTERFACE)
target_compile_options(dlc_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast
  -Wcast-align -Wformat=2 -Wimplicit-fallthrough -Wextra-semi -Wundef -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these from inside std::string and std::variant at -O2 (GCC bugs 105329, 105562).
  target_compile_options(dlc_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
else()
  # libstdc++ 12's std::stable_sort uses a function that it calls deprecated itself; g++ goes on reporting our own uses.
  target_compile_options(dlc_options INTERFACE -Wno-deprecated-declarations)
endif()
target_compile_definitions(dlc_options INTERFACE _GLIBCXX_ASSERTIONS _FILE_OFFSET_BITS=64)
target_include_directories(dlc_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(dlc_options INTERFACE -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  target_link_options(dlc_options INTERFACE -Wl,-z,relro,-z,now)
endif()
if(DLC_PRECOMPILE)
  # ccache asks for -fpch-preprocess. No warnings: with precompiled headers g++ 12 warns of the library's own code as if
  # it were ours. The other presets have them all, as errors.
  target_compile_options(dlc_options INTERFACE -fpch-preprocess -w)
endif()
if(DLC_SANITIZE)
  target_compile_options(dlc_options INTERFACE -fsanitize=${DLC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(dlc_options INTERFACE -fsanitize=${DLC_SANITIZE})
endif()
find_program(DLC_MOLD mold)
if(DLC_MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT DLC_SANITIZE)
  target_link_options(dlc_options INTERFACE -fuse-ld=mold)
endif()
