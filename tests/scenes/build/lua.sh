#: needs make gcc dpkg-source
#: source lua5.4
#: seconds 180
# The Lua interpreter, built by four jobs at once: its objects are those of the host, byte for byte, and it works.
cd src/src || exit 1
# Built without the libtool that the package uses.
echo "#define DEB_HOST_MULTIARCH \"x86_64-linux-gnu\"" > lua5.4-deb-multiarch.h
{
    echo 'CORE := $(filter-out lua.o luac.o,$(patsubst %.c,%.o,$(wildcard *.c)))'
    echo 'all: lua luac'
    echo '%.o: %.c'
    printf '\tgcc -O1 -DLUA_USE_POSIX -c -o $@ $<\n'
    echo 'liblua.a: $(CORE)'
    printf '\tar rcD $@ $^\n\tranlib -D $@\n'
    echo 'lua luac: %: %.o liblua.a'
    printf '\tgcc -o $@ $^ -lm\n'
} > Makefile
make -s -j4 || exit 1
make -q all; echo "up to date: $?"
sha256sum *.o liblua.a lua luac
./lua -v
echo 'local t = {} for i = 1, 1000 do t[i] = i * i end print(#t, t[1000], ("x"):rep(3))' > t.lua
./luac -o t.luac t.lua && ./lua t.luac
./lua -e 'local p = io.popen("echo from a pipe"); print(p:read("a"), p:close()); print(os.execute("exit 3"))'
./lua -e 'error("boom")'; echo $?
