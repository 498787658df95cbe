# One static library per folder of src/, linked only to folders on lines above its own
# (docs/ARCHITECTURE.md; scripts/check-layers reads the #include lines and checks the same).
function(dlc_folder name)
  cmake_parse_arguments(ARG "" "" "FOLDERS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  list(REMOVE_ITEM sources ${CMAKE_SOURCE_DIR}/src/cli/main.cpp)
  if(NOT sources)
    add_library(dlc_${name} INTERFACE)
    return()
  endif()
  add_library(dlc_${name} STATIC ${sources})
  if(DLC_PRECOMPILE AND name STREQUAL "base")
    target_precompile_headers(dlc_base PRIVATE ${CMAKE_SOURCE_DIR}/cmake/precompiled.h)
  elseif(DLC_PRECOMPILE AND name STREQUAL "codec")
    # Every byte passes through it. The rest is at -O1, which compiles in three quarters of the time and runs the same;
    # a precompiled header serves one level only.
    target_compile_options(dlc_codec PRIVATE -O2)
  elseif(DLC_PRECOMPILE)
    target_precompile_headers(dlc_${name} REUSE_FROM dlc_base)
    if(name STREQUAL "cli")
      # Templates of CLI11 and JSON, the same in many files, are a third of all the work: files are compiled six at once.
      # So names in the anonymous namespaces of one folder differ.
      set_target_properties(dlc_cli PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
    endif()
  endif()
  target_link_libraries(dlc_${name} PUBLIC dlc_options PkgConfig::FMT)
  foreach(folder ${ARG_FOLDERS})
    target_link_libraries(dlc_${name} PUBLIC dlc_${folder})
  endforeach()
  target_link_libraries(dlc_${name} PRIVATE ${ARG_LIBRARIES})
endfunction()

dlc_folder(base LIBRARIES Threads::Threads)
dlc_folder(codec FOLDERS base
  LIBRARIES PkgConfig::CRYPTO PkgConfig::ZSTD PkgConfig::ZLIB PkgConfig::LZMA BZip2::BZip2 ${ISAL_LIBRARY} Threads::Threads)
# libcurl is loaded on first use (src/net/curl_library.h): its headers only.
dlc_folder(net FOLDERS base LIBRARIES ${CMAKE_DL_LIBS})
dlc_folder(oci FOLDERS codec base)
dlc_folder(store FOLDERS oci codec base LIBRARIES PkgConfig::SQLITE)
dlc_folder(buildspec FOLDERS base LIBRARIES PkgConfig::YAML)
dlc_folder(dockerfile FOLDERS base)
dlc_folder(registry FOLDERS store oci net codec base)
dlc_folder(sandbox FOLDERS store oci codec base LIBRARIES PkgConfig::SECCOMP)
dlc_folder(contents FOLDERS store oci codec base LIBRARIES Threads::Threads)
dlc_folder(build FOLDERS sandbox registry dockerfile buildspec store oci net codec base)
dlc_folder(verify FOLDERS contents build dockerfile store oci codec base)
dlc_folder(cli FOLDERS verify contents build sandbox registry dockerfile buildspec store oci net codec base)
