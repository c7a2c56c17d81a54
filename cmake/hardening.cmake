# Compiler and linker hardening for every object, blst included.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON) # the clean-up attribute and statement expressions
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
add_compile_definitions(_GNU_SOURCE)
add_compile_options(-fstack-protector-strong -fno-strict-aliasing)
include(CheckCCompilerFlag)
# Large frames touch each page on their way: none steps over the guard page. Clang 14 has it for x86_64 alone.
check_c_compiler_flag("-Werror -fstack-clash-protection" NS_HAS_STACK_CLASH_PROTECTION)
if(NS_HAS_STACK_CLASH_PROTECTION)
  add_compile_options($<$<COMPILE_LANGUAGE:C>:-fstack-clash-protection>)
endif()
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  # Marks where indirect jumps may land. Debian 12's libc does not turn the enforcement on; where one does, we are ready.
  add_compile_options($<$<COMPILE_LANGUAGE:C>:-fcf-protection=full>)
endif()
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
  # Return addresses are signed (on Graviton2 that is no-ops), and the places that indirect jumps may land on are marked; to
  # enforce the latter takes start-up objects that are marked too, which Debian 12's libc does not have.
  add_compile_options(-mbranch-protection=standard)
endif()
# The build id is what --version shows.
add_link_options(-Wl,--build-id=sha1,-z,relro,-z,now,-z,noexecstack,--as-needed)
include(CheckPIESupported)
check_pie_supported()

set(NS_SANITIZE "" CACHE STRING "Comma-separated -fsanitize= list; empty for none")
option(NS_COVERAGE "Instrument for gcov" OFF)
if(NS_SANITIZE)
  add_compile_options(-fsanitize=${NS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${NS_SANITIZE})
elseif(NOT NS_COVERAGE)
  add_compile_definitions($<$<CONFIG:Release>:_FORTIFY_SOURCE=3>)
  # Only in release builds: elsewhere valgrind and MSan must still see an uninitialised read.
  # clang 14 has it only behind a flag that says so of itself; gcc 12 and clang 16 have it.
  check_c_compiler_flag(-ftrivial-auto-var-init=zero NS_HAS_ZEROED_VARIABLES)
  if(NS_HAS_ZEROED_VARIABLES)
    add_compile_options($<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:C>>:-ftrivial-auto-var-init=zero>)
  endif()
endif()
if(NS_COVERAGE)
  # Several threads count, and processes may write no file where the product may not: see tests/coverage/coverage.py.
  add_compile_options(--coverage -fprofile-update=atomic)
  add_compile_definitions(NS_COVERAGE)
  add_link_options(--coverage)
endif()
