#: needs cmake ninja make gcc g++
#: seconds 180
# CMake's look at the compiler, builds by ninja and by make, and tests by ctest, several at once.
mkdir p; cd p
cat > CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.16)
project(p C CXX)
include(CheckIncludeFile)
check_include_file(unistd.h HAVE_UNISTD)
find_package(Threads REQUIRED)
add_library(l STATIC l.c)
add_library(s SHARED l.c)
add_executable(m m.cc)
target_link_libraries(m l Threads::Threads)
add_custom_command(OUTPUT gen.h COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_SOURCE_DIR}/gen.in gen.h)
add_custom_target(g DEPENDS gen.h)
add_dependencies(m g)
target_include_directories(m PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
enable_testing()
foreach(i RANGE 1 6)
  add_test(NAME t${i} COMMAND m ${i})
endforeach()
set_tests_properties(t3 PROPERTIES WILL_FAIL TRUE)
add_test(NAME slow COMMAND ${CMAKE_COMMAND} -E sleep 20)
set_tests_properties(slow PROPERTIES TIMEOUT 1)
C
echo '#define G 3' > gen.in
echo 'int twice(int x) { return 2 * x; }' > l.c
printf '#include "gen.h"\n#include <cstdlib>\nextern "C" int twice(int);\nint main(int c, char **v) { return twice(std::atoi(v[1])) == 2 * G; }\n' > m.cc
cmake -G Ninja -B n . > configured || cat configured; grep -c 'works\|done' configured
ninja -C n -j4 > built || cat built; tail -n 1 built | cut -d' ' -f2; ninja -C n; ls n/libl.a n/libs.so n/m
sed -i s/2/4/ l.c; ninja -C n -n | grep -c Building; ninja -C n > /dev/null; ninja -C n -t deps | grep -c gen.h; echo 'int (' > l.c; ninja -C n -k 0 > /dev/null; echo $?
echo 'int twice(int x) { return 2 * x; }' > l.c; ninja -C n > /dev/null
(cd n; ctest -j4; echo $?) 2>&1 | sed 's/ *[0-9.]* sec.*//; s/^ *[0-9]*\/[0-9]* //; s/Start *[0-9]*: .*//; s/real.*=//' | sort | uniq -c
cmake -B k . > /dev/null; make -s -C k -j4 | sed 's/\[.*\] //' | sort; make -C k test ARGS='-R t1' > /dev/null; echo $?
