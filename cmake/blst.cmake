# blst: the system's if pkg-config finds one, else built from the C source inside the
# npm package c-kzg, whose bytes package-lock.json pins. It is never part of our tree.
pkg_check_modules(blst QUIET IMPORTED_TARGET libblst)
if(NOT blst_FOUND)
  set(blst_dir ${CMAKE_SOURCE_DIR}/node_modules/c-kzg/deps/blst)
  if(NOT EXISTS ${blst_dir}/src/server.c)
    message(FATAL_ERROR "blst is missing: run scripts/setup (npm ci --ignore-scripts fetches it inside c-kzg)")
  endif()
  add_library(blst_from_npm STATIC ${blst_dir}/src/server.c ${blst_dir}/build/assembly.S)
  # Portable: the image must run, and measure the same, whatever CPU built it; the speed is equal.
  target_compile_definitions(blst_from_npm PRIVATE __BLST_PORTABLE__)
  target_compile_options(blst_from_npm PRIVATE $<$<COMPILE_LANGUAGE:C>:-O2>)
  target_include_directories(blst_from_npm SYSTEM INTERFACE ${blst_dir}/bindings)
  add_library(PkgConfig::blst ALIAS blst_from_npm)
endif()
